"""Reader of answers in HTTP/1.1, of an engine or of a container that is probed."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

_BEGINNING = b"HTTP/1."
_HEAD_END = re.compile(rb"\r?\n\r?\n")  # a line may end with a newline alone (RFC 9112, section 2.2)
_LONGEST_HEAD = 64 * 1024
_PIECE = 256 * 1024

CUT = "the connection was closed before the answer ended"


class MalformedResponse(Exception):
    """The answer is not HTTP/1.1, or not one of Docker's API."""


def beginning(content: bytes | bytearray) -> str:
    """Message with the beginning of an answer that is not HTTP."""
    return f"it begins with {bytes(content[:80]).decode(errors='replace')!r}"


class ResponseReader:
    """Reads a connection in parts; `rest` has been received and not been read yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.rest = bytearray()
        self._connection = connection

    async def until(self, end: bytes) -> bytes:
        """Read up to a separator, which is left out."""
        while (at := self.rest.find(end)) < 0:
            if len(self.rest) > _LONGEST_HEAD:
                raise MalformedResponse("its head does not end")
            await self.more()
        found = bytes(self.rest[:at])
        del self.rest[: at + len(end)]
        return found

    async def head(self) -> bytes:
        """Read up to an empty line, which is left out; an answer that is not HTTP raises at once."""
        while True:
            if not self.rest.startswith(_BEGINNING[: len(self.rest)]):
                raise MalformedResponse(beginning(self.rest))
            end = _HEAD_END.search(self.rest)
            if end is not None:
                found = bytes(self.rest[: end.start()])
                del self.rest[: end.end()]
                return found
            if len(self.rest) > _LONGEST_HEAD:
                raise MalformedResponse("its head does not end")
            await self.more()

    async def some(self, most: int | None) -> bytes:
        """Read bytes that have arrived, or the next ones; nothing at the end."""
        if not self.rest:
            self.rest += await self._receive()
        found = bytes(self.rest[:most])
        del self.rest[:most]
        return found

    async def exactly(self, count: int) -> bytes:
        """Read this number of bytes."""
        while len(self.rest) < count:
            await self.more()
        found = bytes(self.rest[:count])
        del self.rest[:count]
        return found

    async def to_end(self) -> bytes:
        """Read up to the end of the connection."""
        while piece := await self._receive():
            self.rest += piece
        return bytes(self.rest)

    def whole_chunks(self) -> tuple[list[bytes], bool]:
        """The chunks that have been received as a whole, and whether the last one is among them.

        An engine writes each line of a log as a chunk of its own: all at once are read faster than one by one.
        """
        chunks: list[bytes] = []
        start, ended = 0, False
        while (at := self.rest.find(b"\r\n", start)) >= 0:
            size = int(self.rest[start:at].partition(b";")[0], 16)
            end = at + 2 + size
            ended = size <= 0
            if ended or len(self.rest) < end + 2:
                break
            chunks.append(bytes(self.rest[at + 2 : end]))
            start = end + 2
        if at < 0 and len(self.rest) - start > _LONGEST_HEAD:
            raise MalformedResponse("the length of a chunk does not end")
        del self.rest[:start]
        return chunks, ended

    async def more(self) -> None:
        """Receive another part."""
        piece = await self._receive()
        if not piece:
            raise ConnectionResetError(CUT)
        self.rest += piece

    async def _receive(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._connection, _PIECE)
