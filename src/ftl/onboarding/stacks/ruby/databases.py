"""Databases of a Rails app in production, and the variables by which each gets its address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode
from ftl.onboarding.foreign_yaml import documents, flat

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_FILE = "config/database.yml"
_STATEMENT = re.compile(r"^[ \t]*<%(?!=).*%>[ \t]*$", re.MULTILINE)
_VALUE = re.compile(r"<%=\s*(.*?)\s*%>")
_VARIABLE = re.compile(r"""ENV(?:\.fetch\(|\[)\s*["'](\w+)["']""")
_OF_ERB = "erb:"


def database_variables(folder: AppFolder) -> dict[str, str]:
    """Variable -> name of its database, where production has several; empty for the primary one.

    Active Record takes `NAME_DATABASE_URL` for each, and `DATABASE_URL` for the one called primary alone. Those that
    get host and password by variables of the app need none.
    """
    entries = _entries(folder)
    found: dict[str, str] = {}
    primary = entries.get("primary") or next(iter(entries.values()), {})
    for name, entry in entries.items():
        database = entry.get("database", "")
        url = entry.get("url", "")
        is_primary = entry is primary or (bool(database) and database == primary.get("database"))
        is_elsewhere = entry.get("database_tasks") == "false" and not is_primary  # nothing creates it here
        if is_elsewhere or (url and not url.startswith(_OF_ERB)):
            continue
        variable = url.removeprefix(_OF_ERB) or (
            "DATABASE_URL" if name == "primary" else f"{name.upper()}_DATABASE_URL"
        )
        found[variable] = "" if is_primary else database if re.fullmatch(r"[\w-]+", database) else name
    return found


def _entries(folder: AppFolder) -> dict[str, dict[str, str]]:
    """The databases of production that a server has, by name; none where there is one without a name."""
    text = _VALUE.sub(_as_scalar, _STATEMENT.sub("", folder.read(_FILE)))
    for document in documents(text) if text.strip() else ():
        production = document.get("production")
        if not isinstance(production, MappingNode):
            continue
        named = {
            name: flat(entry.value)
            for name, entry in production.entries.items()
            if isinstance(entry.value, MappingNode)
        }
        return {name: entry for name, entry in named.items() if _is_own(entry)}
    return {}


def _is_own(entry: dict[str, str]) -> bool:
    """Whether a database needs an address: SQLite has files, and some have variables of the app for their parts."""
    is_file = entry.get("adapter", "").startswith("sqlite")
    return not is_file and not entry.get("host", "").startswith(_OF_ERB)


def _as_scalar(match: re.Match[str]) -> str:
    """Ruby in a file of YAML, as a word: the variable that it reads, if it reads one."""
    variable = _VARIABLE.search(match[1])
    return f"{_OF_ERB}{variable[1] if variable else ''}"
