"""Tar streams: read entries and write headers without a file and without seeking.

`tarfile` reads from blocking files only; here an engine's response is read as it arrives. Headers are parsed
and written by `tarfile.TarInfo` all the same.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Literal

from ftl.dataclass import dataclass
from ftl.errors import TransferFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BLOCK_SIZE = 512
END_OF_ARCHIVE = bytes(2 * BLOCK_SIZE)
"""Two empty blocks end an archive."""

_EXTENSION_LIMIT = 1 << 20
"""Most bytes of a long name or of pax records: an image has no longer ones."""


@dataclass(frozen=True, slots=True)
class TarEntry:
    """An entry of a tar, whose body has `size` bytes."""

    name: str
    size: int
    kind: Literal["file", "link", "other"]
    target: str = ""


def file_header(name: str, size: int) -> bytes:
    """The header of a regular file; its bytes do not depend on the time or the user."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """The zeros after a body of `size` bytes, up to a whole block."""
    return bytes(-size % BLOCK_SIZE)


class _ByteReader:
    """Reads bytes by count from a stream of chunks."""

    def __init__(self, source: AsyncIterator[bytes], name: str) -> None:
        self._source = source
        self._name = name
        self._chunk = b""
        self._offset = 0

    async def read(self, limit: int) -> bytes:
        """Read at least one and at most `limit` bytes, without joining chunks."""
        while self._offset == len(self._chunk):
            try:
                self._chunk = await anext(self._source)
            except StopAsyncIteration:
                raise TransferFailed(
                    f"{self._name} ended early",
                    cause="the archive has no end mark",
                    hint="run it again; if it fails again, check the engine's log on this machine",
                ) from None
            self._offset = 0
        if self._offset == 0 and len(self._chunk) <= limit:
            self._offset = len(self._chunk)
            return self._chunk
        data = self._chunk[self._offset : self._offset + limit]
        self._offset += len(data)
        return data

    async def read_exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            data += await self.read(count - len(data))
        return bytes(data)

    async def drain(self) -> None:
        self._chunk, self._offset = b"", 0
        async for _ in self._source:
            pass


class TarReader:
    """Reads a tar stream entry by entry; bodies that are not read are skipped.

    Understands what engines write: ustar, pax (`path`, `linkpath`, `size`) and GNU long names.

    `name` is what errors call it ("the archive of shop-web").

    Raises from every method: TransferFailed when the archive ends early or is not a tar.
    """

    def __init__(self, source: AsyncIterator[bytes], *, name: str) -> None:
        self._bytes = _ByteReader(source, name)
        self._name = name
        self._left = 0
        self._padding = 0

    async def next(self) -> TarEntry | None:
        """Go to the next entry; None at the end, when the source has been read to its end."""
        extended: dict[str, str] = {}
        while True:
            await self._skip()
            info = self._parse(await self._bytes.read_exactly(BLOCK_SIZE))
            if info is None:
                await self._bytes.drain()
                return None
            self._left, self._padding = info.size, -info.size % BLOCK_SIZE
            if info.type == tarfile.XHDTYPE:
                extended |= self._records(await self.read(_EXTENSION_LIMIT))
            elif info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                key = "path" if info.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
                extended[key] = (
                    (await self.read(_EXTENSION_LIMIT)).rstrip(b"\0").decode("utf-8", "surrogateescape")
                )
            elif info.type != tarfile.XGLTYPE:
                return self._entry(info, extended)

    async def body(self) -> AsyncIterator[bytes]:
        """The rest of the current entry's body, in chunks as they arrive."""
        while self._left:
            chunk = await self._bytes.read(self._left)
            self._left -= len(chunk)
            yield chunk

    async def read(self, limit: int) -> bytes:
        """The current entry's body as a whole; refuses one of more than `limit` bytes."""
        if self._left > limit:
            raise TransferFailed(
                f"{self._name} holds a document of {self._left} bytes", cause=f"at most {limit}"
            )
        data = await self._bytes.read_exactly(self._left)
        self._left = 0
        return data

    async def _skip(self) -> None:
        while self._left:
            self._left -= len(await self._bytes.read(self._left))
        if self._padding:
            await self._bytes.read_exactly(self._padding)
            self._padding = 0

    def _records(self, content: bytes) -> dict[str, str]:
        try:
            return pax_records(content)
        except ValueError as error:
            raise TransferFailed(f"{self._name} is damaged", cause=str(error)) from error

    def _parse(self, block: bytes) -> tarfile.TarInfo | None:
        if not any(block):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise TransferFailed(f"{self._name} is damaged", cause=str(error)) from error

    def _entry(self, info: tarfile.TarInfo, extended: dict[str, str]) -> TarEntry:
        if "size" in extended:
            self._left = int(extended["size"])
            self._padding = -self._left % BLOCK_SIZE
        if not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
            return TarEntry(info.name, self._left, "other")
        kind: Literal["file", "link", "other"] = (
            "file" if info.isreg() else "link" if info.issym() or info.islnk() else "other"
        )
        name = extended.get("path", info.name).removeprefix("./")
        return TarEntry(name, self._left, kind, extended.get("linkpath", info.linkname))


def pax_records(records: bytes) -> dict[str, str]:
    """Parse the records of a pax header.

    Each is "LENGTH KEY=VALUE" and a newline; LENGTH counts the whole record.

    Raises:
        ValueError: They do not have that form.
    """
    parsed: dict[str, str] = {}
    while records:
        length = int(records.split(b" ", 1)[0])
        key, equals, value = records[: length - 1].partition(b" ")[2].partition(b"=")
        if length < 1 or not equals:
            raise ValueError("a record without a length or a value")
        parsed[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        records = records[length:]
    return parsed
