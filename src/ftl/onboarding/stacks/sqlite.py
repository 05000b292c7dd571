"""SQLite files of apps, and the lines of a Dockerfile that put them on a volume."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.databases import MYSQL, POSTGRES
from ftl.dataclass import dataclass
from ftl.onboarding.databases import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ftl.onboarding.folder import AppFolder

_OTHERS = frozenset(
    name for client in CLIENTS if client.database in (POSTGRES, MYSQL) for name in client.packages
)
"""Clients of other databases: SQLite is that of development then."""

_VALUE = r"""(?:[frb]{0,2}["'`](?P<text>[^"'`\n]*)["'`]|(?P<name>[A-Za-z_]\w*)\s*[,)])"""
_OPENED = {
    ".py": (
        r"""["'](?:sqlite(?:\+\w+)?:///)(?P<text>[^"'\n]*)["']""",
        rf"\b(?:sqlite3|aiosqlite)\.connect\(\s*{_VALUE}?",
    ),
    ".go": (
        r"sql\.Open\(\s*\"sqlite3?\"\s*,\s*(?:\"(?P<text>[^\"\n]*)\"|(?P<name>\w+)\s*[,)])",
        r"\bsqlite\.Open\(\s*(?:\"(?P<text>[^\"\n]*)\"|(?P<name>\w+)\s*[,)])",
    ),
    **dict.fromkeys(
        (".js", ".ts", ".mjs", ".cjs"),
        (
            rf"new\s+(?:\w+\.)?Database(?:Sync)?\(\s*{_VALUE}",
            r"""\b(?:filename|storage|database|url)\s*:\s*["'`](?P<text>(?:file:)?[^"'`\n]*\.(?:db|sqlite3?))["'`]""",
        ),
    ),
}
"""Ending of a source file -> the places that open an SQLite file."""

_OF_NODE = frozenset({"better-sqlite3", "sqlite3", "sqlite", "@libsql/client"})
_SCHEMA = "prisma/schema.prisma"
NOTE = "# The SQLite file is on a volume: what is written into a container is gone with the next release."


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """An SQLite file of an app.

    Attributes:
        path: Its path below the app's folder; empty where a variable names it, or nothing that is known.
        variable: The variable with its address.
        source: The file that opens it.
    """

    path: str
    source: str
    variable: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it can be put on a volume; else only the user knows where it is."""
        return bool(self.path or self.variable)

    @property
    def volumes(self) -> dict[str, str]:
        """The volume for it, with the reason."""
        return {"data:/data": f"the SQLite file of {self.source}"} if self.is_known else {}

    @property
    def env(self) -> dict[str, tuple[str, str]]:
        """The variable with its address on the volume."""
        return (
            {self.variable: ("file:/data/app.db", "the SQLite file, on the volume")} if self.variable else {}
        )

    @property
    def ignored(self) -> tuple[str, ...]:
        """Lines of .dockerignore: the file on this machine is no part of the image."""
        return (f"{self.path}*",) if self.path else ()

    def todo(self, folder: AppFolder) -> tuple[str, ...]:
        """Questions that only the user answers: where the file is, whether its content is wanted."""
        if not self.is_known:
            how = (
                "let it be below /data, with `volumes: [data:/data]` (`RUN mkdir /data && chown USER /data`)"
            )
            return (f"{self.source} opens an SQLite file that is gone with each release: {how}",)
        if self.path and folder.has(self.path):
            return (
                f"the volume data is empty at first: copy {self.path} into it if the app needs what is in it",
            )
        return ()

    def on_volume(self, user: str) -> str:
        """A RUN that makes the folder of the volume, with a link to the file where the app opens it."""
        if not self.is_known:
            return ""
        parent, name = posixpath.split(self.path)
        folders = f"mkdir -p /data {parent}".strip()
        link = f" && ln -sf /data/{name} {self.path}" if self.path else ""
        return f"{NOTE}\nRUN {folders} && chown {user} /data{link}"

    def in_stage(self, top: str) -> str:
        """A RUN that makes folder and link below `top` of a stage, for an image without a shell."""
        parent, name = posixpath.split(self.path)
        link = posixpath.join(top, "links", parent)
        return f"RUN mkdir -p {top}/data {link} && ln -s /data/{name} {posixpath.join(link, name)}"


def find_sqlite(folder: AppFolder, packages: Collection[str]) -> SqliteFile | None:
    """The SQLite file that the code opens, unless the app has a client of another database."""
    if found := _of_prisma(folder):
        return found
    names = {name.partition("[")[0].lower() for name in packages}
    if names & _OTHERS:
        return None
    unknown = None
    for file, text in folder.sources.items():
        for match in _matches(file, text, names):
            written = match["text"]
            if written is None:
                written = _value_of(text, match["name"] or "")
            path = _path(text, written, in_instance="flask-sqlalchemy" in names)
            if path:
                return SqliteFile(path, file)
            if path is None:
                unknown = unknown or SqliteFile("", file)
    return unknown


def _matches(file: str, text: str, names: set[str]) -> Iterator[re.Match[str]]:
    ending = posixpath.splitext(file)[1]
    if ending in (".js", ".ts", ".mjs", ".cjs") and not (names & _OF_NODE or "node:sqlite" in text):
        return
    for pattern in _OPENED.get(ending, ()):
        yield from re.finditer(pattern, text)


def _value_of(text: str, name: str) -> str | None:
    """The text that a name stands for, in the same file."""
    if not name:
        return None
    match = re.search(
        rf"^[ \t]*(?:const|let|var)?\s*{re.escape(name)}\b[^=\n]*=\s*[\"'`]([^\"'`\n]*)", text, re.MULTILINE
    )
    return match[1] if match else None


def _path(text: str, written: str | None, *, in_instance: bool) -> str | None:
    """The path below the app's folder; None if it is not known, empty for a database in memory."""
    if written is None:
        return None
    name = re.fullmatch(r"(?:\./)?\{(\w+)\}", written)
    if name:
        written = _value_of(text, name[1]) or written
    path = written.removeprefix("file:").partition("?")[0]
    if ":memory:" in path or not path:
        return ""
    if not re.fullmatch(r"[\w.-]+(?:/[\w.-]+)*", path):
        return None
    path = posixpath.normpath(path)
    if path.startswith(".."):
        return None
    return f"instance/{path}" if in_instance else path


def _of_prisma(folder: AppFolder) -> SqliteFile | None:
    source = re.search(r"^datasource\s+\w+\s*\{([^}]*)", folder.read(_SCHEMA), re.MULTILINE)
    if source is None or not re.search(r"\bprovider\s*=\s*\"sqlite\"", source[1]):
        return None
    if variable := re.search(r"\burl\s*=\s*env\(\"(\w+)\"\)", source[1]):
        return SqliteFile("", _SCHEMA, variable[1])
    url = re.search(r"\burl\s*=\s*\"file:([^\"?]+)", source[1])
    path = _path("", url[1] if url else None, in_instance=False)
    return SqliteFile(f"prisma/{path}" if path else "", _SCHEMA)
