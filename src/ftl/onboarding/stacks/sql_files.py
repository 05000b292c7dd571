"""Migrations in plain SQL files, which nothing of the app runs."""

from __future__ import annotations

import os
import re
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_FOLDERS = ("migrations", "db/migrations", "db/migrate", "sql/migrations", "database/migrations", "sql")
_CODE = (".py", ".js", ".mjs", ".cjs", ".ts", ".go", ".rb", ".php", ".java", ".kt")
_MOST = 2000


def unrun_sql(folder: AppFolder) -> str:
    """The pattern of SQL files in a folder that no code names; empty if there are none."""
    for name in _FOLDERS:
        if not folder.has_folder(name):
            continue
        try:
            with os.scandir(folder.path / name) as entries:
                has_files = any(entry.name.endswith(".sql") for entry in islice(entries, _MOST))
        except OSError:
            continue
        if has_files and not _is_named(folder, name.rpartition("/")[2]):
            return f"{name}/*.sql"
    return ""


def _is_named(folder: AppFolder, name: str) -> bool:
    """Whether code names the folder in a text, and so may run the files by itself."""
    named = re.compile(rf"[\"'`/]{name}[\"'`/]|go:embed.*\b{name}\b")
    return any(file.endswith(_CODE) and named.search(text) for file, text in folder.sources.items())
