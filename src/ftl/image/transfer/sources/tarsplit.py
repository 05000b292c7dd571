"""A layer's tar, put together again from the engine's unpacked files and its record of everything else.

When a graph driver unpacks a layer it keeps what the files do not tell, the raw headers and the padding, in
`tar-split.json.gz`: a stream of JSON objects, in the order of the tar. One of `type` 2 carries bytes in
`payload` (base64); one of `type` 1 stands for the content of the file `name` of `size` bytes, none where
there is no `size`. A name that is not UTF-8 is in `name_raw` (base64) instead. (github.com/vbatts/tar-split,
tar/storage/entry.go; read on Docker 20.10.24, 26.1.5 and 28.5.2.)

What an image holds is data from outside. So files are opened component by component and no link is followed:
nothing outside of the layer's folder is ever read.
"""

from __future__ import annotations

import gzip
import json
import os
import stat
import zlib
from binascii import a2b_base64
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from ftl.image.transfer.sources.source import SourceUnusable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

PIECE = 512 << 10
"""Bytes in a piece. Larger ones were no faster."""

_BLOCK = 256 << 10

_LINE_LIMIT = 32 << 20
"""The longest entry that is read. Ordinary ones have a few kB; what follows a tar's end mark is in one."""

_CONTENT, _SEGMENT = 1, 2

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Content:
    """The place of a file's content in the tar."""

    name: bytes
    size: int


def entries(record: Path) -> Iterator[bytes | Content]:
    """Read a `tar-split.json.gz`: what the tar is made of, in its order.

    Raises:
        Unfit: It is damaged, or not readable.
    """
    try:
        with gzip.open(record) as file:
            for raw in _objects(file):
                if (entry := _entry(raw)) is not None:
                    yield entry
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceUnusable(f"{record} cannot be read: {error}") from error


def length(parts: Iterable[bytes | Content]) -> int:
    """The size of the tar, in bytes, without reading a file."""
    return sum(part.size if isinstance(part, Content) else len(part) for part in parts)


def assembled(parts: Iterable[bytes | Content], folder: Path) -> Generator[bytes, None, None]:
    """The tar, in pieces of PIECE to twice as many bytes and a shorter one at the end. Blocking.

    Raises:
        Unfit: A file is missing, is shorter than it was, or lies behind a link.
    """
    gathered: list[bytes] = []
    size = 0
    with closing(_Tree(folder)) as tree:
        for part in parts:
            for chunk in tree.read(part) if isinstance(part, Content) else (part,):
                gathered.append(chunk)
                size += len(chunk)
                if size >= PIECE:
                    yield b"".join(gathered)
                    gathered.clear()
                    size = 0
    if size:
        yield b"".join(gathered)


class _Tree:
    """A layer's folder. The folders on the way to the last file stay open: a tar goes through them in order."""

    def __init__(self, root: Path) -> None:
        try:
            self._folders = [os.open(root, _FOLDER)]
        except OSError as error:
            raise SourceUnusable(f"the engine's files of a layer cannot be read: {error}") from error
        self._names: list[bytes] = []

    def close(self) -> None:
        self._leave(0)
        os.close(self._folders.pop())

    def read(self, content: Content) -> Iterator[bytes]:
        """A file's content."""
        try:
            file = self._open(content.name)
            try:
                yield from _read(file, content)
            finally:
                os.close(file)
        except (OSError, ValueError) as error:
            raise SourceUnusable(f"the engine's copy of {_shown(content)} cannot be read: {error}") from error

    def _open(self, name: bytes) -> int:
        *folders, last = [part for part in name.split(b"/") if part not in {b"", b"."}]
        if b".." in folders or last == b"..":
            raise ValueError("it would lie outside of the layer")
        pairs = takewhile(lambda pair: pair[0] == pair[1], zip(folders, self._names, strict=False))
        shared = sum(1 for _ in pairs)
        self._leave(shared)
        for folder in folders[shared:]:
            self._folders.append(os.open(folder, _FOLDER, dir_fd=self._folders[-1]))
            self._names.append(folder)
        return os.open(last, _FILE, dir_fd=self._folders[-1])

    def _leave(self, depth: int) -> None:
        while len(self._names) > depth:
            self._names.pop()
            os.close(self._folders.pop())


def _read(file: int, content: Content) -> Iterator[bytes]:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise SourceUnusable(f"the engine's copy of {_shown(content)} is not a file")
    left = content.size
    while left:
        chunk = os.read(file, min(left, PIECE))
        if not chunk:
            raise SourceUnusable(f"the engine's copy of {_shown(content)} is too short")
        left -= len(chunk)
        yield chunk


def _shown(content: Content) -> str:
    return repr(content.name.decode(errors="replace"))


def _objects(file: gzip.GzipFile) -> Iterator[dict[str, object]]:
    """The objects of a stream, one in each line: many are parsed at once, which is three times as fast."""
    rest = b""
    while block := file.read(_BLOCK):
        whole, _, rest = (rest + block).rpartition(b"\n")
        if len(rest) > _LINE_LIMIT:
            raise ValueError(f"an entry of more than {_LINE_LIMIT} bytes")
        if whole:
            yield from json.loads(b"[%b]" % whole.replace(b"\n", b","))
    if rest.strip():
        raise EOFError("it ends inside an entry")


def _entry(raw: dict[str, object]) -> bytes | Content | None:
    """One entry; None for a file without content."""
    if raw["type"] == _SEGMENT:
        return a2b_base64(str(raw["payload"] or ""), strict_mode=True)
    if raw["type"] != _CONTENT:
        raise ValueError(f"an entry of type {raw['type']!r}")
    size = raw.get("size", 0)
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"a file of {size!r} bytes")
    if size == 0:
        return None
    name = raw.get("name_raw")
    return Content(a2b_base64(str(name), strict_mode=True) if name else str(raw["name"]).encode(), size)
