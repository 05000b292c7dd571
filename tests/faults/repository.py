"""The git repository of the project under test, which has each of its versions."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def begin(folder: Path) -> None:
    """Make one, without the project's secrets."""
    (folder / ".gitignore").write_text(".env\n")
    _git(folder, "init", "--quiet")


def commit(folder: Path, version: str) -> None:
    """Commit what is there."""
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", version)


def _git(folder: Path, *argv: str) -> None:
    who = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    subprocess.run(("git", *who, *argv), cwd=folder, check=True, capture_output=True)
