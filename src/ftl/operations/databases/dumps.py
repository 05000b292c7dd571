"""Dumps of databases: their kinds, and whether a file is a whole one."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from ftl.common.references import split
from ftl.databases import IMAGE_PORTS, MARIADB, MONGODB, MYSQL, POSTGRES, REDIS
from ftl.dataclass import dataclass
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDS = 512
"""Bytes of the head and of the tail of a dump that are checked."""

CHECKED = "ftl-checked"
"""Last line on stderr of a dump without a mark at its end, which came whole (dump.sh)."""


@dataclass(frozen=True, slots=True)
class DumpKind:
    """A kind of dump.

    Attributes:
        tool: The program of the database's image that makes it.
        end: How its end, or its last line, begins; empty: it has no mark there, and the database's own program reads it
            to its end on the way here (dump.sh).
        counted: Noun of what is counted after a restore.
        has_databases: Whether a dump is of one database, and others have their own.
        in_place: Whether a restore writes over the data.
    """

    tool: str
    noun: str
    suffix: str
    heads: tuple[bytes, ...]
    end: bytes = b""
    counted: str = "table"
    has_databases: bool = True
    in_place: bool = True


# MariaDB's dumps begin with a line for its sandbox mode: without an M in 10.6.18, 10.11.8 and 11.4.2.
_SQL_HEADS = (b"-- MySQL dump", b"-- MariaDB dump", b"/*M!999999", b"/*!999999")
_SQL_END = b"-- Dump completed"

KINDS: Mapping[str, DumpKind] = {
    kind.tool: kind
    for kind in (
        DumpKind("pg_dump", "a dump of PostgreSQL (pg_dump -Fc)", ".dump", (b"PGDMP",), in_place=False),
        DumpKind("mariadb-dump", "a dump of MariaDB", ".sql", _SQL_HEADS, _SQL_END),
        DumpKind("mysqldump", "a dump of MySQL", ".sql", _SQL_HEADS, _SQL_END),
        # From mongo-tools' archive package: the magic number, and the terminator of the last block.
        DumpKind(
            "mongodump",
            "an archive of mongodump",
            ".archive",
            (b"\x6d\xe2\x99\x81",),
            b"\xff\xff\xff\xff",
            "database",
            has_databases=False,
        ),
        DumpKind(
            "redis-cli",
            "a dump of Redis (RDB)",
            ".rdb",
            (b"REDIS",),
            b"\xff",
            "key",
            has_databases=False,
            in_place=False,
        ),
    )
}
"""By tool."""


_DUMPED = (POSTGRES, MYSQL, MARIADB, MONGODB, REDIS)


def may_be_dumped(image: str) -> bool:
    """Whether an image may have one of the tools; of images that FTL does not know, any may."""
    name = split(image)[0].rpartition("/")[2]
    known = {name for database in _DUMPED for name in (database.image, *database.similar)}
    return name in known or name not in IMAGE_PORTS


PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Name of a database that can be part of a file's name (backup.sh)."""

_OF_DATABASE = re.compile(
    r"(?P<name>[a-z0-9_-]+)[.](?P<database>.+)-[0-9]{8}-[0-9]{6}[.](dump|sql|archive|rdb)"
)


def database_of_file(name: str, file: str) -> str:
    """The database in the name that FTL gave a backup; empty: the default one, or not known."""
    match = _OF_DATABASE.fullmatch(PurePath(file).name)
    return match["database"] if match is not None and match["name"] == name else ""


def database_in_dump(head: bytes) -> str:
    """The database that a dump of PostgreSQL names; empty where it cannot be read.

    From WriteHead in pg_backup_archiver.c: numbers have a byte for their sign before their own bytes.
    """
    try:
        version, size = (head[5], head[6]), head[8]
        # The version's three bytes, the sizes of a number and of an offset, the format, and the compression.
        place = (
            11 + (1 if version >= (1, 15) else size + 1) + 7 * (size + 1)
        )  # then the time by its seven parts
        length = int.from_bytes(head[place + 1 : place + 1 + size], "little")
        name = head[place + 1 + size : place + 1 + size + length]
    except IndexError:
        return ""
    return name.decode("utf-8", "replace") if 0 < length == len(name) <= 63 else ""


@dataclass(slots=True)
class StreamEnds:
    """The head and the tail of a stream, and its length."""

    head: bytes = b""
    tail: bytes = b""
    size: int = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if len(self.head) < ENDS:
            self.head = (self.head + data)[:ENDS]
        self.tail = (self.tail + data)[-ENDS:] if len(data) < ENDS else data[-ENDS:]
        self.size += len(data)


def check_whole(kind: DumpKind, ends: StreamEnds, name: str) -> None:
    """Refuse a file that is not a complete dump of a kind.

    Raises:
        FtlError: It is empty, something else, or cut.
    """
    if not ends.head.startswith(kind.heads):
        raise FtlError(
            f"{name} is not {kind.noun}",
            cause="it is empty" if not ends.size else f"it begins with {_shown(ends.head[:12])}",
        )
    if not _has_end(kind, ends.tail):
        raise FtlError(f"{name} is truncated", cause=f"the end of {kind.noun} is missing")


def require_checked(kind: DumpKind, text: str, name: str) -> None:
    """Refuse a dump whose end has no mark, and whose tool does not say that it was whole.

    Raises:
        FtlError: It was cut on its way here.
    """
    if not kind.end and text.rpartition("\n")[2] != CHECKED:
        raise FtlError(f"{name} is truncated", cause="the server did not say that all of it was sent")


def _shown(data: bytes) -> str:
    """Bytes of a stranger's file as text, if they are one."""
    text = data.decode("ascii", "replace")
    return f"`{text}`" if text.isascii() and text.isprintable() else f"the bytes {data.hex(' ')}"


def _has_end(kind: DumpKind, tail: bytes) -> bool:
    if (
        kind.tool == "redis-cli"
    ):  # the end of the file's records, and a checksum of 8 bytes (RDB version 5 and later)
        return tail[-9:-8] == kind.end
    if kind.tool == "mongodump":
        return tail.endswith(kind.end)
    if kind.tool == "pg_dump":
        return True
    return tail.endswith(b"\n") and tail.rstrip(b"\n").rpartition(b"\n")[2].startswith(kind.end)
