"""Databases of a Rails app in production, and the variables by which each gets its address."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, ScalarNode
from ftl.onboarding.foreign_yaml import documents, flat

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_FILE = "config/database.yml"
_STATEMENT = re.compile(r"^[ \t]*<%(?!=).*%>[ \t]*$", re.MULTILINE)
_VALUE = re.compile(r"<%=\s*(.*?)\s*%>")
_VARIABLE = re.compile(r"""ENV(?:\.fetch\(|\[)\s*["'](\w+)["']""")
_OF_ERB = "erb:"
_FILE_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
_PRIMARY = frozenset({"", "primary"})
_STORAGE = "storage/"
"""The folder below the app's that is on a volume."""


def database_variables(folder: AppFolder) -> dict[str, str]:
    """Variable -> name of its database, where production has several; empty for the primary one.

    Active Record takes `NAME_DATABASE_URL` for each, and `DATABASE_URL` for the one called primary alone. Those that
    get host and password by variables of the app need none.
    """
    entries = {name: entry for name, entry in _entries(folder).items() if name and _is_own(entry)}
    found: dict[str, str] = {}
    primary = entries.get("primary") or next(iter(entries.values()), {})
    for name, entry in entries.items():
        database = entry.get("database", "")
        url = entry.get("url", "")
        is_primary = entry is primary or (bool(database) and database == primary.get("database"))
        is_elsewhere = entry.get("database_tasks") == "false" and not is_primary  # nothing creates it here
        if is_elsewhere or (url and not url.startswith(_OF_ERB)):
            continue
        variable = _read_by(url) or _variable(name)
        found[variable] = "" if is_primary else database if re.fullmatch(r"[\w-]+", database) else name
    return found


def sqlite_variables(folder: AppFolder, *, has_server: bool) -> dict[str, str]:
    """Variable -> value that puts an SQLite file of production below `storage`.

    There is one for each file that is elsewhere: `rails new` of 7.2 names none for production, and older ones one
    in `db`, which is gone with each release. With the client of a server (`has_server`) that no database names, the
    primary one has none: `DATABASE_URL` leads it to the server, whatever its adapter.
    """
    found: dict[str, str] = {}
    entries = _entries(folder)
    is_replaced = has_server and all(_is_file(entry) for entry in entries.values())
    for name, entry in entries.items():
        path, url = entry.get("database", ""), entry.get("url", "")
        is_elsewhere = not path.startswith((_STORAGE, "/"))  # an absolute path is the image's
        if not _is_file(entry) or not is_elsewhere or (is_replaced and name in _PRIMARY):
            continue
        usual = "production.sqlite3" if name in _PRIMARY else f"production_{name}.sqlite3"
        file = posixpath.basename(path) if _FILE_NAME.fullmatch(path) else usual
        given = url or path
        if variable := _read_by(given):
            found[variable] = f"{'sqlite3:' if url else ''}{_STORAGE}{file}"
        elif given.startswith(_OF_ERB):
            continue  # Ruby that reads no variable, or one with a part of the path
        elif not url:
            found[_variable(name)] = f"sqlite3:{_STORAGE}{file}"
    return found


def _read_by(text: str) -> str:
    """The variable that is all of a value; empty if it is another."""
    match = re.fullmatch(rf"{_OF_ERB}(\w+)", text)
    return match[1] if match else ""


def _variable(name: str) -> str:
    """The variable with the address of a database, which Active Record reads."""
    return "DATABASE_URL" if name in _PRIMARY else f"{name.upper()}_DATABASE_URL"


def _entries(folder: AppFolder) -> dict[str, dict[str, str]]:
    """The databases of production by name, which is empty where there is only one."""
    text = _VALUE.sub(_as_scalar, _STATEMENT.sub("", folder.read(_FILE)))
    for document in documents(text) if text.strip() else ():
        production = document.get("production")
        if not isinstance(production, MappingNode):
            continue
        only = {
            key: entry.value.text
            for key, entry in production.entries.items()
            if isinstance(entry.value, ScalarNode)
        }
        if only.keys() & {"adapter", "database", "url"}:
            return {"": only}
        return {
            name: flat(entry.value)
            for name, entry in production.entries.items()
            if isinstance(entry.value, MappingNode)
        }
    return {}


def _is_own(entry: dict[str, str]) -> bool:
    """Whether a database needs an address: SQLite has files, and some have variables of the app for their parts."""
    return not _is_file(entry) and not entry.get("host", "").startswith(_OF_ERB)


def _is_file(entry: dict[str, str]) -> bool:
    return entry.get("adapter", "").startswith("sqlite")


def _as_scalar(match: re.Match[str]) -> str:
    """Ruby in a file of YAML, as a word: the variable that it reads, if it reads one."""
    variable = _VARIABLE.search(match[1])
    return f"{_OF_ERB}{variable[1] if variable else ''}"
