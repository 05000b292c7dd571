"""SQLite files of apps, and the lines of a Dockerfile that put them on a volume."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.databases import MYSQL, POSTGRES
from ftl.dataclass import dataclass
from ftl.onboarding.app import DataFile
from ftl.onboarding.databases import CLIENTS
from ftl.onboarding.stacks.prisma import find_datasource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ftl.onboarding.folder import AppFolder

_OTHERS = frozenset(
    name for client in CLIENTS if client.database in (POSTGRES, MYSQL) for name in client.packages
)
"""Clients of other databases: SQLite is that of development then."""

_VALUE = r"""(?:(?:[frb]{0,2}["'`](?P<text>[^"'`\n]*)["'`]|(?P<name>[A-Za-z_]\w*))\s*[,)])?"""
"""A text or a name as the whole argument; one that is computed gives neither."""

_SOURCES_OF_NODE = (".js", ".ts", ".mjs", ".cjs")
_OF_NODE = frozenset({"better-sqlite3", "sqlite3", "sqlite", "@libsql/client"})
_IMPORT_OF_NODE = r"""["'](?:(?:node|bun):sqlite|(?:drizzle-orm/)?better-sqlite3|sqlite3?)["']"""
_CLASS_OF_NODE = (
    r"(?:(?:const|let|var)\s+(\w+)\s*=\s*require\(\s*|import\s+(?:\*\s*as\s+)?(\w+)\s+from\s+)"
    r"""["']better-sqlite3["']"""
)
_OPENED = {
    ".py": (
        r"""["'](?:sqlite(?:\+\w+)?:///)(?P<text>[^"'\n]*)["']""",
        rf"\b(?:sqlite3|aiosqlite)\.connect\(\s*{_VALUE}",
    ),
    ".go": (
        rf"sql\.Open\(\s*\"sqlite3?\"\s*,\s*{_VALUE}",
        rf"\bsqlite\.Open\(\s*{_VALUE}",
    ),
    **dict.fromkeys(
        _SOURCES_OF_NODE,
        (
            rf"new\s+(?:\w+\.)?Database(?:Sync)?\((?!\s*\))\s*{_VALUE}",
            r"new\s+(?:\w+\.)?Database(?:Sync)?\(\s*(?P<text>)\)",
            rf"""require\(\s*["']better-sqlite3["']\s*\)\((?!\s*\))\s*{_VALUE}""",
            r"""\b(?:filename|storage|database|url)\s*:\s*["'`](?P<text>(?:file:)?[^"'`\n]*\.(?:db|sqlite3?))["'`]""",
            r"""\b(?:filename|storage|database)\s*:\s*["'`](?P<text>:memory:)["'`]""",
        ),
    ),
}
"""Ending of a source file -> the places that open an SQLite file."""

_MODULES_OF_GO = (
    r"github\.com/(?:mattn|glebarez|ncruces)/(?:go-)?sqlite3?|modernc\.org/sqlite|gorm\.io/driver/sqlite"
)
_IMPORTED = {
    ".go": rf"\"(?:{_MODULES_OF_GO})[\w/]*\"",
    **dict.fromkeys(_SOURCES_OF_NODE, rf"(?:\bfrom\s*|\bimport\s*|\(\s*|:\s*){_IMPORT_OF_NODE}"),
}
"""Ending of a source file -> its use of a client of SQLite, wherever the file is opened."""

_OF_TESTS = re.compile(r"(?:^|/)(?:test_[^/]*|conftest)\.py$|_test\.(?:go|py)$|\.(?:test|spec)\.\w+$")
NOTE = "# The SQLite file is on a volume: what is written into a container is gone with the next release."


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """An SQLite file of an app.

    Attributes:
        path: Its path below the app's folder; empty where a variable names it, or nothing that is known.
        source: The file that opens it; empty: the app has none.
        variable: The variable with its address.
        absolute: Its path in the image, where it is one outside of the app's folder.
    """

    path: str
    source: str
    variable: str = ""
    absolute: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it can be put on a volume; else only the user knows where it is."""
        return bool(self.path or self.variable or self._folder)

    @property
    def _folder(self) -> str:
        """Its folder, where that is on the volume already."""
        return posixpath.dirname(self.absolute) if self.absolute.startswith("/data/") else ""

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

    @property
    def data_file(self) -> DataFile | None:
        """The file, for another Dockerfile than FTL's; None where a volume is enough."""
        if self.source and (self.path or not self.is_known):
            return DataFile(self.source, self.path, posixpath.dirname(self.absolute).rstrip("/"))
        return None

    def todo(self, folder: AppFolder, user: str) -> tuple[str, ...]:
        """Questions that only the user answers: where the file is, whether its content is wanted.

        The user is that of the image; a number stands for an image without a shell, made in the stage `build`.
        """
        if not self.source:
            return ()
        if not self.is_known:
            where = posixpath.dirname(self.absolute)
            if where.strip("/"):
                how = f"keep its folder with `volumes: [data:{where}]` and {_made(where, user)}"
                return (f"{self.source} opens {self.absolute}, which is gone with each release: {how}",)
            how = f"let it be below /data, with `volumes: [data:/data]` and {_made('/data', user)}"
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
        if self._folder:
            return f"{NOTE}\nRUN mkdir -p {self._folder} && chown -R {user} /data"
        parent, name = posixpath.split(self.path)
        folders = f"mkdir -p /data {parent}".strip()
        link = f" && ln -sf /data/{name} {self.path}" if self.path else ""
        return f"{NOTE}\nRUN {folders} && chown {user} /data{link}"

    def in_stage(self, top: str) -> str:
        """A RUN that makes folder and link below `top` of a stage, for an image without a shell."""
        if self._folder:
            return f"RUN mkdir -p {top}{self._folder} {posixpath.join(top, 'links')}"
        parent, name = posixpath.split(self.path)
        link = posixpath.join(top, "links", parent)
        return f"RUN mkdir -p {top}/data {link} && ln -s /data/{name} {posixpath.join(link, name)}"


def _made(folder: str, user: str) -> str:
    """The lines of the Dockerfile that make a folder for the user of the image."""
    if user.isdecimal():
        copied = f"`COPY --from=build --chown={user}:{user} /out/data {folder}` in its last stage"
        return f"in the Dockerfile `RUN mkdir -p /out/data` in the stage build, and {copied}"
    return f"`RUN mkdir -p {folder} && chown {user} {folder}` above `USER {user}` in the Dockerfile"


NO_SQLITE = SqliteFile("", "")


def find_sqlite(folder: AppFolder, packages: Collection[str]) -> SqliteFile:
    """The SQLite file that the code opens, unless the app has a client of another database."""
    if found := _of_prisma(folder):
        return found
    if has_other_client(packages):
        return NO_SQLITE
    names = _names(packages)
    unknown = imported = None
    is_opened = False
    for file, text in folder.sources.items():
        if _OF_TESTS.search(file):
            continue
        for match in _matches(file, text, names):
            is_opened = True
            written = match["text"]
            if written is None:
                written = _value_of(text, match["name"] or "")
            path = _path(text, written, in_instance="flask-sqlalchemy" in names)
            found = _at(path, file) if path else None
            if found is not None and found.is_known:
                return found
            if path is None or found is not None:
                unknown = unknown or found or SqliteFile("", file)
        if imported is None and _imports(file, text, names):
            imported = SqliteFile("", file)
    return unknown or (NO_SQLITE if is_opened else imported or NO_SQLITE)


def has_other_client(packages: Collection[str]) -> bool:
    """Whether the app has a client of another database."""
    return bool(_names(packages) & _OTHERS)


def _names(packages: Collection[str]) -> set[str]:
    return {name.partition("[")[0].lower() for name in packages}


def _at(path: str, source: str) -> SqliteFile:
    """The file of a path, which may be one of the image; the app's folder is /app there."""
    if path.startswith("/app/"):
        return SqliteFile(path.removeprefix("/app/"), source)
    return SqliteFile("", source, absolute=path) if path.startswith("/") else SqliteFile(path, source)


def _imports(file: str, text: str, names: set[str]) -> bool:
    """Whether a source uses a client of SQLite; settings of tools do not run with the app."""
    ending = posixpath.splitext(file)[1]
    if ending in _SOURCES_OF_NODE and (".config." in file or not _has_client(text, names)):
        return False
    return ending in _IMPORTED and re.search(_IMPORTED[ending], text) is not None


def _has_client(text: str, names: set[str]) -> bool:
    return bool(names & _OF_NODE) or "node:sqlite" in text or "bun:sqlite" in text


def _matches(file: str, text: str, names: set[str]) -> Iterator[re.Match[str]]:
    ending = posixpath.splitext(file)[1]
    if ending in _SOURCES_OF_NODE:
        if not _has_client(text, names):
            return
        for imported in re.finditer(_CLASS_OF_NODE, text):
            name = imported[1] or imported[2]
            if name != "Database":
                yield from re.finditer(rf"\b{name}\((?!\s*\))\s*{_VALUE}", text)
    for pattern in _OPENED.get(ending, ()):
        yield from re.finditer(pattern, text)


def _value_of(text: str, name: str) -> str | None:
    """The text that a name stands for, in the same file."""
    if not name:
        return None
    match = re.search(
        rf"^[ \t]*(?:(?:const|let|var)[ \t]+)?{re.escape(name)}\b[^=\n]*=\s*[\"'`]([^\"'`\n]*)",
        text,
        re.MULTILINE,
    )
    return match[1] if match else None


def _path(text: str, written: str | None, *, in_instance: bool) -> str | None:
    """The path, below the app's folder or absolute; None if it is not known, empty for one in memory."""
    if written is None:
        return None
    name = re.fullmatch(r"(?:\./)?\{(\w+)\}", written)
    if name:
        written = _value_of(text, name[1]) or written
    path = written.removeprefix("file:").partition("?")[0]
    if ":memory:" in path or not path:
        return ""
    path = re.sub("^//+", "/", path)
    if not re.fullmatch(r"/?[\w.-]+(?:/[\w.-]+)*", path):
        return None
    path = posixpath.normpath(path)
    if path.startswith("/"):
        return path
    if path.startswith(".."):
        return None
    return f"instance/{path}" if in_instance else path


def _of_prisma(folder: AppFolder) -> SqliteFile | None:
    source = find_datasource(folder)
    if source is None or source.provider != "sqlite":
        return None
    if source.variables:
        return SqliteFile("", source.file, source.variables[0])
    path = _path("", source.url or None, in_instance=False)
    if not path:
        return SqliteFile("", source.file)
    return _at(path if path.startswith("/") else posixpath.join(source.folder, path), source.file)
