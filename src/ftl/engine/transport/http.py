"""HTTP/1.1 client for an engine's short calls and progress (docs/decisions/0025).

Loading aiohttp takes longer than all calls of `ftl status` together, and than the push of a small layer. These calls
need little of it: a request with a body in memory, and an answer of known length, in chunks, or up to the end of
the connection.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from ftl.engine.transport.sockets import Sockets

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: .*)?")
_LONGEST_HEAD = 64 * 1024
_PIECE = 256 * 1024


class BadAnswer(Exception):
    """The answer is not HTTP/1.1, or not one of Docker's API."""


class HttpError(Exception):
    """The engine answered with an error.

    Attributes:
        status: Its HTTP status.
        message: The engine's message.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Request(NamedTuple):
    """Request to an engine.

    Attributes:
        target: The path and its query.
        body: JSON; empty for none.
        headers: Further headers.
        is_repeatable: Whether it may be sent again if its connection turned out to be closed.
        is_fresh: Whether it must be sent now, though it may have been sent before the call was made.
    """

    target: str
    method: str = "GET"
    body: bytes = b""
    headers: Mapping[str, str] = {}
    is_repeatable: bool = True
    is_fresh: bool = False

    def encoded(self) -> bytes:
        """Its bytes."""
        headers = {"Host": "localhost", "User-Agent": "ftl", "Accept": "*/*", **self.headers}
        if self.method != "GET":
            headers["Content-Length"] = str(len(self.body))
        if self.body:
            headers["Content-Type"] = "application/json"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.target} HTTP/1.1\r\n{lines}\r\n".encode() + self.body


class Answer(NamedTuple):
    """Answer to a request; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Streamed(NamedTuple):
    """Answer to a request whose body is read as it comes."""

    status: int
    pieces: AsyncGenerator[bytes]


async def send(sockets: Sockets, request: Request) -> Answer:
    """Send a request, on a new connection if an idle one turned out to be closed.

    Args:
        sockets: Where connections come from, and go to when they can be used again.
        request: The request.

    Raises:
        NotConnected: Nothing listens at the engine's address.
        OSError: The connection broke.
        BadAnswer: Something else answered.
    """
    if request.method == "GET" and not request.is_fresh:
        sent = sockets.take_sent(request.encoded())
        if sent is not None:
            with suppress(ConnectionError):
                return await _answer(sockets, sent)
    idle = sockets.take()
    if idle is not None:
        try:
            return await _send(sockets, idle, request)
        except ConnectionError:  # closed as we wrote
            if not request.is_repeatable:
                raise
    return await _send(sockets, await sockets.connect(), request)


@asynccontextmanager
async def stream(sockets: Sockets, request: Request, *, seconds: float) -> AsyncIterator[Streamed]:
    """Send a request whose answer may last, such as a followed log; again as `send` does.

    The connection is closed afterwards: whoever stops reading leaves a part of the answer in it.

    Args:
        sockets: Where the connection comes from.
        request: The request.
        seconds: Time limit for the head of the answer.

    Raises:
        TimeoutError: Nothing was answered in time.
        NotConnected, OSError, BadAnswer: As `send`; also while the body is read.
    """
    async with asyncio.timeout(seconds):
        connection, (reader, status, headers) = await _open(sockets, request)
    try:
        yield Streamed(status, _pieces(reader, status, headers))
    finally:
        connection.close()


async def _open(
    sockets: Sockets, request: Request
) -> tuple[socket.socket, tuple[_Reader, int, Mapping[str, str]]]:
    """A connection on which an answer has begun."""
    idle = sockets.take()
    while True:
        connection = idle or await sockets.connect()
        try:
            return connection, await _ask(connection, request)
        except BaseException as error:
            connection.close()
            if idle is None or not isinstance(error, ConnectionError) or not request.is_repeatable:
                raise
        idle = None  # closed as we wrote


async def _ask(connection: socket.socket, request: Request) -> tuple[_Reader, int, Mapping[str, str]]:
    """Send a request, and read the head of its answer."""
    await asyncio.get_running_loop().sock_sendall(connection, request.encoded())
    return await _begin(connection)


async def _begin(connection: socket.socket) -> tuple[_Reader, int, Mapping[str, str]]:
    """Read the head of an answer."""
    reader = _Reader(connection)
    return reader, *_head(await reader.until(b"\r\n\r\n"))


async def _send(sockets: Sockets, connection: socket.socket, request: Request) -> Answer:
    try:
        await asyncio.get_running_loop().sock_sendall(connection, request.encoded())
    except BaseException:
        connection.close()
        raise
    return await _answer(sockets, connection)


async def _answer(sockets: Sockets, connection: socket.socket) -> Answer:
    """Read the answer to a request that was sent; the connection is kept if it can be."""
    reusable = False
    try:
        reader, status, headers = await _begin(connection)
        body, is_framed = await _body(reader, status, headers)
        reusable = is_framed and not reader.rest and headers.get("connection", "").lower() != "close"
        return Answer(status, headers, body)
    finally:
        if reusable:
            sockets.give_back(connection)
        else:
            connection.close()


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    line, *lines = head.split(b"\r\n")
    match = _STATUS.fullmatch(line)
    if match is None:
        raise BadAnswer(f"it begins with {line[:80].decode(errors='replace')!r}")
    pairs = (each.decode("latin-1").partition(":") for each in lines)
    return int(match[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: _Reader, status: int, headers: Mapping[str, str]) -> tuple[bytes, bool]:
    """The body, and whether its end was known without the end of the connection."""
    if status in (204, 304):
        return b"", True
    try:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await _chunks(reader), True
        if "content-length" in headers:
            return await reader.exactly(int(headers["content-length"])), True
    except ValueError as error:
        raise BadAnswer("the length of its body is not a number") from error
    return await reader.to_end(), False


async def _chunks(reader: _Reader) -> bytes:
    """A body in chunks (RFC 9112, section 7.1); extensions and trailers are ignored."""
    chunks = []
    while size := int((await reader.until(b"\r\n")).partition(b";")[0], 16):
        chunks.append(await reader.exactly(size))
        await reader.exactly(2)
    while await reader.until(b"\r\n"):
        pass
    return b"".join(chunks)


async def _pieces(reader: _Reader, status: int, headers: Mapping[str, str]) -> AsyncGenerator[bytes]:
    """A body as it comes."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        body, _ = await _body(reader, status, headers)
        yield body
        return
    ended = False
    while not ended:
        try:
            chunks, ended = reader.whole_chunks()
        except ValueError as error:
            raise BadAnswer("the length of a chunk is not a number") from error
        if chunks:
            yield b"".join(chunks)
        elif not ended:
            await reader.more()
            # What has arrived already is received without a pause, and others have work, too.
            await asyncio.sleep(0)


class _Reader:
    """Reads a connection in parts; `rest` has been received and not been read yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.rest = bytearray()
        self._connection = connection

    async def until(self, end: bytes) -> bytes:
        """Read up to a separator, which is left out."""
        while (at := self.rest.find(end)) < 0:
            if len(self.rest) > _LONGEST_HEAD:
                raise BadAnswer("its head does not end")
            await self.more()
        found = bytes(self.rest[:at])
        del self.rest[: at + len(end)]
        return found

    async def exactly(self, count: int) -> bytes:
        while len(self.rest) < count:
            await self.more()
        found = bytes(self.rest[:count])
        del self.rest[:count]
        return found

    async def to_end(self) -> bytes:
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
            raise BadAnswer("the length of a chunk does not end")
        del self.rest[:start]
        return chunks, ended

    async def more(self) -> None:
        """Receive another part."""
        piece = await self._receive()
        if not piece:
            raise ConnectionResetError("the connection was closed before the answer ended")
        self.rest += piece

    async def _receive(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._connection, _PIECE)
