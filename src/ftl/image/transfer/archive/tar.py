"""Tar as a stream: members are read as they pass and headers are written, without a file and without seeking.

`tarfile` reads from blocking files only; here an engine's answer is read as it arrives. Headers are parsed
and written by `tarfile.TarInfo` all the same.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.errors import TransferFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BLOCK_SIZE = 512
END_OF_ARCHIVE = bytes(2 * BLOCK_SIZE)
"""Two empty blocks end an archive."""

_EXTENSION_LIMIT = 1 << 20
"""Long names and pax records beyond this are not an image."""


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One entry of an archive; `size` is the length of its body in bytes, `target` where a link points."""

    name: str
    size: int
    kind: Literal["file", "link", "other"]
    target: str = ""


def file_header(name: str, size: int) -> bytes:
    """The header of a plain file, the same bytes for the same file at any time and for any user."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """The zeros that fill a body of `size` bytes up to a whole block."""
    return bytes(-size % BLOCK_SIZE)


class _Pieces:
    """Bytes that arrive in pieces and are taken by count."""

    def __init__(self, source: AsyncIterator[bytes], what: str) -> None:
        self._source = source
        self._what = what
        self._piece = b""
        self._offset = 0

    async def take(self, limit: int) -> bytes:
        """Take at least one and at most `limit` bytes, without gathering pieces."""
        while self._offset == len(self._piece):
            try:
                self._piece = await anext(self._source)
            except StopAsyncIteration:
                raise TransferFailed(
                    f"{self._what} ended early",
                    cause="the archive has no end mark",
                    hint="run it again; if it stays, look at the log of the engine on this machine",
                ) from None
            self._offset = 0
        if self._offset == 0 and len(self._piece) <= limit:
            self._offset = len(self._piece)
            return self._piece
        taken = self._piece[self._offset : self._offset + limit]
        self._offset += len(taken)
        return taken

    async def exactly(self, count: int) -> bytes:
        taken = bytearray()
        while len(taken) < count:
            taken += await self.take(count - len(taken))
        return bytes(taken)

    async def drain(self) -> None:
        self._piece, self._offset = b"", 0
        async for _ in self._source:
            pass


class TarReader:
    """Reads an archive that arrives in pieces, member by member; what is not asked for is passed over.

    Understands what engines write: ustar, pax (`path`, `linkpath`, `size`) and GNU long names.

    Args:
        source: The archive, plain (not compressed).
        what: What errors call it ("the archive of shop-web").

    Raises from every method: TransferFailed when the archive ends early or is not a tar.
    """

    def __init__(self, source: AsyncIterator[bytes], *, what: str) -> None:
        self._pieces = _Pieces(source, what)
        self._what = what
        self._left = 0
        self._fill = 0

    async def next(self) -> TarEntry | None:
        """Go to the next member; None at the end, when the source is read to its end too."""
        extended: dict[str, str] = {}
        while True:
            await self._pass_over()
            info = self._parse(await self._pieces.exactly(BLOCK_SIZE))
            if info is None:
                await self._pieces.drain()
                return None
            self._left, self._fill = info.size, -info.size % BLOCK_SIZE
            if info.type == tarfile.XHDTYPE:
                extended |= self._records(await self.read(_EXTENSION_LIMIT))
            elif info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                key = "path" if info.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
                extended[key] = (await self.read(_EXTENSION_LIMIT)).rstrip(b"\0").decode()
            elif info.type != tarfile.XGLTYPE:
                return self._member(info, extended)

    async def body(self) -> AsyncIterator[bytes]:
        """The rest of the current member, in pieces as they arrive."""
        while self._left:
            piece = await self._pieces.take(self._left)
            self._left -= len(piece)
            yield piece

    async def read(self, limit: int) -> bytes:
        """The current member as a whole; refuses one of more than `limit` bytes."""
        if self._left > limit:
            raise TransferFailed(
                f"{self._what} holds a document of {self._left} bytes", cause=f"at most {limit}"
            )
        taken = await self._pieces.exactly(self._left)
        self._left = 0
        return taken

    async def _pass_over(self) -> None:
        while self._left:
            self._left -= len(await self._pieces.take(self._left))
        if self._fill:
            await self._pieces.exactly(self._fill)
            self._fill = 0

    def _records(self, content: bytes) -> dict[str, str]:
        try:
            return pax_records(content)
        except ValueError as error:
            raise TransferFailed(f"{self._what} is damaged", cause=str(error)) from error

    def _parse(self, block: bytes) -> tarfile.TarInfo | None:
        if not any(block):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise TransferFailed(f"{self._what} is damaged", cause=str(error)) from error

    def _member(self, info: tarfile.TarInfo, extended: dict[str, str]) -> TarEntry:
        if "size" in extended:
            self._left = int(extended["size"])
            self._fill = -self._left % BLOCK_SIZE
        if not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
            return TarEntry(info.name, self._left, "other")
        kind: Literal["file", "link", "other"] = (
            "file" if info.isreg() else "link" if info.issym() or info.islnk() else "other"
        )
        name = extended.get("path", info.name).removeprefix("./")
        return TarEntry(name, self._left, kind, extended.get("linkpath", info.linkname))


def pax_records(records: bytes) -> dict[str, str]:
    """The records of a pax header, "LENGTH KEY=VALUE" and a newline; LENGTH counts the whole record.

    Raises:
        ValueError: They are not of that form.
    """
    found: dict[str, str] = {}
    while records:
        length = int(records.split(b" ", 1)[0])
        key, equals, value = records[: length - 1].partition(b" ")[2].partition(b"=")
        if length < 1 or not equals:
            raise ValueError("a record without a length or a value")
        found[key.decode()] = value.decode("utf-8", "surrogateescape")
        records = records[length:]
    return found
