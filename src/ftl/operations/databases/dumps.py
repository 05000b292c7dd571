"""Dumps of databases: their kinds, and whether a file is a whole one."""

from __future__ import annotations

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
        noun: Its name in messages.
        suffix: Of its file.
        heads: How it begins.
        end: How its end, or its last line, begins; empty: it has no mark there, and the database's own program reads it
            to its end on the way here (dump.sh).
        counted: Noun of what is counted after a restore.
    """

    tool: str
    noun: str
    suffix: str
    heads: tuple[bytes, ...]
    end: bytes = b""
    counted: str = "table"


# MariaDB's dumps begin with a line for its sandbox mode: without an M in 10.6.18, 10.11.8 and 11.4.2.
_SQL_HEADS = (b"-- MySQL dump", b"-- MariaDB dump", b"/*M!999999", b"/*!999999")
_SQL_END = b"-- Dump completed"

KINDS: Mapping[str, DumpKind] = {
    kind.tool: kind
    for kind in (
        DumpKind("pg_dump", "a dump of PostgreSQL (pg_dump -Fc)", ".dump", (b"PGDMP",)),
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
        ),
        DumpKind("redis-cli", "a dump of Redis (RDB)", ".rdb", (b"REDIS",), b"\xff", "key"),
    )
}
"""By tool."""


_DUMPED = (POSTGRES, MYSQL, MARIADB, MONGODB, REDIS)


def may_be_dumped(image: str) -> bool:
    """Whether an image may have one of the tools; of images that FTL does not know, any may."""
    name = split(image)[0].rpartition("/")[2]
    known = {name for database in _DUMPED for name in (database.image, *database.similar)}
    return name in known or name not in IMAGE_PORTS


class StreamEnds:
    """The head and the tail of a stream, and its length."""

    def __init__(self, head: bytes = b"", tail: bytes = b"", size: int = 0) -> None:
        self.head = head
        self.tail = tail
        self.size = size

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

    Args:
        kind: Its kind.
        text: What its tool has written to stderr.
        name: Its name in the error.

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
