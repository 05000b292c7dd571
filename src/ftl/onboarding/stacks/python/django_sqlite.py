"""The SQLite file of Django's settings."""

from __future__ import annotations

import re

from ftl.onboarding.stacks.sqlite import SqliteFile

_ENGINE = "django.db.backends.sqlite3"
_USUAL = re.compile(
    r"""BASE_DIR\s*/\s*["']db\.sqlite3["']|\bjoin\(\s*BASE_DIR\s*,\s*["']db\.sqlite3["']"""
    r"""|["']NAME["']\s*:\s*["']db\.sqlite3["']"""
)
"""The file where Django's generator has it, next to manage.py."""

_DATABASE = re.compile(rf"\{{[^{{}}]*{re.escape(_ENGINE)}[^{{}}]*\}}")
_NAME = re.compile(r"""["']NAME["']\s*:\s*(?:["'](?P<text>[^"'\n]*)["']\s*[,}\n])?""")


def find_django_sqlite(text: str, settings: str, *, is_only: bool) -> SqliteFile | None:
    """The SQLite file; `is_only` says that the app has no client of another database."""
    if _ENGINE not in text:
        return None
    if _USUAL.search(text):
        return SqliteFile("db.sqlite3", settings)
    names = [name for each in _DATABASE.findall(text) if (name := _NAME.search(each))] if is_only else []
    for name in names:
        is_computed = name["text"] is None
        written = str(name["text"] or "")
        if is_computed or (written and ":memory:" not in written):
            return SqliteFile("", settings, absolute=written if written.startswith("/") else "")
    return None
