"""A relay in front of an engine's socket that breaks what passes, where a test says so."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Cut(Exception):
    """Raised by a fault: both sides lose the connection."""


class Reply(Exception):
    """Raised by a fault: the client gets this answer, and the connection ends."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


@dataclass
class Exchange:
    """What passes between the client and the engine.

    Attributes:
        request: The first line of the request under way.
        sent: Bytes that the client sent since the request began, `answered`: those that it got back.
    """

    request: str = ""
    sent: int = 0
    answered: int = 0


class Fault(Protocol):
    """Called with every piece that passes; what it returns passes instead."""

    async def client(self, exchange: Exchange, piece: bytes) -> bytes:
        """A piece on its way to the engine."""
        return piece

    async def engine(self, exchange: Exchange, piece: bytes) -> bytes:
        """A piece on its way to the client."""
        return piece


@asynccontextmanager
async def relay(path: Path, engine: str, fault: Fault) -> AsyncIterator[str]:
    """Put a relay in front of an engine ("unix:///..."); yields the relay's own URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(engine.removeprefix("unix://"))
        exchange = Exchange()

        async def forth() -> None:
            while piece := await reader.read(1 << 16):
                line = piece.split(b"\r\n", 1)[0]
                if line.endswith(b" HTTP/1.1"):
                    exchange.request, exchange.sent, exchange.answered = line.decode(), 0, 0
                exchange.sent += len(piece)
                engine_writer.write(await fault.client(exchange, piece))
                await engine_writer.drain()

        async def back() -> None:
            while piece := await engine_reader.read(1 << 16):
                exchange.answered += len(piece)
                writer.write(await fault.engine(exchange, piece))
                await writer.drain()

        ways = [asyncio.create_task(forth()), asyncio.create_task(back())]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                error = way.exception()
                if isinstance(error, Reply):
                    writer.write(error.answer)
                    with suppress(ConnectionError):
                        await writer.drain()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in (writer, engine_writer):
                each.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield f"unix://{path}"
    finally:
        server.close()
