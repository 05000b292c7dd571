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

from ftl.engine.transport.reader import CUT, MalformedResponse, ResponseReader, beginning

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from ftl.engine.transport.sockets import Sockets

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: (.*))?")


class HttpError(Exception):
    """The engine answered with an error, by its HTTP status and the engine's message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Request(NamedTuple):
    """Request to an engine; repeatable after its connection turned out to be closed, or not.

    `is_fresh`: it must be sent now, though it may have been sent before the call was made.
    """

    target: str
    method: str = "GET"
    body: bytes = b""
    headers: Mapping[str, str] = {}
    is_repeatable: bool = True
    is_fresh: bool = False

    def encoded(self) -> bytes:
        """Its bytes."""
        headers = {"Host": "localhost", **self.headers}  # each byte goes to each server with every call
        if self.method != "GET":
            headers["Content-Length"] = str(len(self.body))
        if self.body:
            headers["Content-Type"] = "application/json"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.target} HTTP/1.1\r\n{lines}\r\n".encode() + self.body


class Response(NamedTuple):
    """Answer to a request; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamingResponse(NamedTuple):
    """Answer to a request whose body is read as it comes; names of headers are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    pieces: AsyncGenerator[bytes]


class _ResponseHead(NamedTuple):
    """Beginning of an answer, and the reader of the rest."""

    reader: ResponseReader
    status: int
    reason: str
    headers: Mapping[str, str]


async def send(sockets: Sockets, request: Request) -> Response:
    """Send a request, on a new connection if an idle one turned out to be closed.

    Connections come from `sockets`, and go there when they can be used again.

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
async def stream(sockets: Sockets, request: Request, *, seconds: float) -> AsyncIterator[StreamingResponse]:
    """Send a request whose answer may last, such as a followed log; again as `send` does.

    The connection is closed afterwards: whoever stops reading leaves a part of the answer in it.

    `seconds` is the limit for the head of the answer.

    Raises:
        TimeoutError: Nothing was answered in time.
        NotConnected, OSError, BadAnswer: As `send`; also while the body is read.
    """
    async with asyncio.timeout(seconds):
        connection, head = await _open(sockets, request)
    try:
        yield StreamingResponse(head.status, head.reason, head.headers, _pieces(head))
    finally:
        connection.close()


async def _open(sockets: Sockets, request: Request) -> tuple[socket.socket, _ResponseHead]:
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


async def _ask(connection: socket.socket, request: Request) -> _ResponseHead:
    """Send a request, and read the head of its answer."""
    await asyncio.get_running_loop().sock_sendall(connection, request.encoded())
    return await _begin(connection)


async def _begin(connection: socket.socket) -> _ResponseHead:
    """Read the head of an answer; interim ones (RFC 9110, section 15.2) are passed over."""
    reader = ResponseReader(connection)
    while True:
        head = _head(reader, await reader.head())
        if not 100 <= head.status < 200 or head.status == 101:
            return head


async def _send(sockets: Sockets, connection: socket.socket, request: Request) -> Response:
    try:
        await asyncio.get_running_loop().sock_sendall(connection, request.encoded())
    except BaseException:
        connection.close()
        raise
    return await _answer(sockets, connection)


async def _answer(sockets: Sockets, connection: socket.socket) -> Response:
    """Read the answer to a request that was sent; the connection is kept if it can be."""
    reusable = False
    try:
        head = await _begin(connection)
        body, is_framed = await _body(head)
        closes = head.headers.get("connection", "").lower() == "close"
        reusable = is_framed and not head.reader.rest and not closes
        return Response(head.status, head.headers, body)
    finally:
        if reusable:
            sockets.give_back(connection)
        else:
            connection.close()


def _head(reader: ResponseReader, head: bytes) -> _ResponseHead:
    line, *lines = (each.removesuffix(b"\r") for each in head.split(b"\n"))
    match = _STATUS.fullmatch(line)
    if match is None:
        raise MalformedResponse(beginning(line))
    pairs = (each.decode("latin-1").partition(":") for each in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return _ResponseHead(reader, int(match[1]), (match[2] or b"").decode("latin-1"), headers)


def _length(headers: Mapping[str, str]) -> int | None:
    """Length of a body; None where the end of the connection is its end."""
    try:
        return int(headers["content-length"]) if "content-length" in headers else None
    except ValueError as error:
        raise MalformedResponse("the length of its body is not a number") from error


async def _body(head: _ResponseHead) -> tuple[bytes, bool]:
    """The body, and whether its end was known without the end of the connection."""
    if head.status in (204, 304):
        return b"", True
    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        try:
            return await _chunks(head.reader), True
        except ValueError as error:
            raise MalformedResponse("the length of its body is not a number") from error
    length = _length(head.headers)
    if length is not None:
        return await head.reader.exactly(length), True
    return await head.reader.to_end(), False


async def _chunks(reader: ResponseReader) -> bytes:
    """A body in chunks (RFC 9112, section 7.1); extensions and trailers are ignored."""
    chunks = []
    while size := int((await reader.until(b"\r\n")).partition(b";")[0], 16):
        chunks.append(await reader.exactly(size))
        await reader.exactly(2)
    while await reader.until(b"\r\n"):
        pass
    return b"".join(chunks)


async def _pieces(head: _ResponseHead) -> AsyncGenerator[bytes]:
    """A body as it comes."""
    reader = head.reader
    if head.headers.get("transfer-encoding", "").lower() != "chunked":
        left = 0 if head.status in (204, 304) else _length(head.headers)
        while left is None or left > 0:
            piece = await reader.some(left)
            if not piece and left is not None:
                raise ConnectionResetError(CUT)
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece
        return
    ended = False
    while not ended:
        try:
            chunks, ended = reader.whole_chunks()
        except ValueError as error:
            raise MalformedResponse("the length of a chunk is not a number") from error
        if chunks:
            yield b"".join(chunks)
        elif not ended:
            await reader.more()
            # What has arrived already is received without a pause, and others have work, too.
            await asyncio.sleep(0)
