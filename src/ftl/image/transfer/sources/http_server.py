"""Small HTTP/1.1 server on a listening socket, for the requests of an engine's push.

Loading aiohttp's takes longer than a push of a small layer. An engine needs little of it: requests with a body of known
length or in chunks, and answers without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import parse_qs, unquote

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

_BUFFER = 256 << 10
_REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    400: "Bad Request",
    404: "Not Found",
    413: "Content Too Large",
    416: "Range Not Satisfiable",
    500: "Internal Server Error",
}


class BodyInterrupted(Exception):
    """The connection was lost, or another protocol begins, in the middle of a request's body."""


class UploadRequest(NamedTuple):
    """Head of a request; the names of its headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]


class UploadResponse(NamedTuple):
    """Answer without a body."""

    status: int
    headers: Mapping[str, str] = {}


class RequestBody:
    """Body of a request, which is read once (RFC 9112, section 6)."""

    def __init__(self, reader: asyncio.StreamReader, headers: Mapping[str, str]) -> None:
        self._reader = reader
        self._is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._left = 0 if self._is_chunked else int(headers.get("content-length", "0"))
        self.is_read = not self._is_chunked and not self._left

    async def pieces(self) -> AsyncIterator[bytes]:
        """Its bytes as they come.

        Raises:
            BodyInterrupted: The connection ends before it does.
        """
        try:
            while not self.is_read:
                if self._is_chunked and not self._left:
                    self._left = int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16)
                    if not self._left:
                        while await self._reader.readuntil(b"\r\n") != b"\r\n":
                            pass  # trailers
                        self.is_read = True
                        return
                piece = await self._reader.read(min(self._left, _BUFFER))
                if not piece:
                    raise BodyInterrupted("the connection was closed")
                self._left -= len(piece)
                if self._is_chunked and not self._left:
                    await self._reader.readexactly(2)
                self.is_read = not self._is_chunked and not self._left
                yield piece
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise BodyInterrupted(str(error)) from error


Handler = Callable[[UploadRequest, RequestBody], Awaitable[UploadResponse]]
"""Function that answers a request; if it raises, the answer is 500, and the connection ends."""


class HttpServer:
    """Serves the connections of a socket: an async context manager, whose end cuts requests.

    The socket stays open.
    """

    def __init__(self, listener: socket.socket, handler: Handler) -> None:
        self._listener = listener
        self._handler = handler
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, sock=self._listener, limit=_BUFFER)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection up to its end, or that of the endpoint."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
                while await self._serve_request(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection can be used for another."""
        first = await reader.readexactly(1)
        if not first.isalpha():  # engines try TLS first
            return await _respond(writer, UploadResponse(400), goes_on=False)
        head = first + await reader.readuntil(b"\r\n\r\n")
        try:
            request = _parsed(head)
            body = RequestBody(reader, request.headers)
        except ValueError:
            return await _respond(writer, UploadResponse(400), goes_on=False)
        if request.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            answer = await self._handler(request, body)
        except Exception:  # noqa: BLE001 -- the source reports it; the engine only needs a status
            answer = UploadResponse(500)
        return await _respond(writer, answer, goes_on=body.is_read and answer.status != 500)


def _parsed(head: bytes) -> UploadRequest:
    """Parse the head of a request.

    Raises:
        ValueError: It is not one of HTTP/1.1.
    """
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    path, _, query = target.partition("?")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return UploadRequest(method, unquote(path), parse_qs(query), headers)


async def _respond(writer: asyncio.StreamWriter, answer: UploadResponse, *, goes_on: bool) -> bool:
    headers = {"Content-Length": "0", **answer.headers, "Connection": "keep-alive" if goes_on else "close"}
    lines = (f"{name}: {value}\r\n" for name, value in headers.items())
    reason = _REASONS[answer.status]
    writer.write(f"HTTP/1.1 {answer.status} {reason}\r\n{''.join(lines)}\r\n".encode())
    await writer.drain()
    return goes_on
