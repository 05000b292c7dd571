"""Relay in front of an engine's socket that injects faults."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Cut(Exception):
    """Raised by a fault to cut the connection on both sides."""


class Reply(Exception):
    """Raised by a fault to send this response to the client, and close the connection."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


@dataclass
class Exchange:
    """State of a connection between the client and the engine.

    Attributes:
        request: The first line of the current request.
        sent: Bytes of the request so far.
        answered: Bytes of the response so far.
    """

    request: str = ""
    sent: int = 0
    answered: int = 0


class Fault(Protocol):
    """Called with every chunk; its result is passed on instead."""

    async def client(self, exchange: Exchange, chunk: bytes) -> bytes:
        """A chunk for the engine."""
        return chunk

    async def engine(self, exchange: Exchange, chunk: bytes) -> bytes:
        """A chunk for the client."""
        return chunk


@asynccontextmanager
async def relay(path: Path, engine: str, fault: Fault) -> AsyncIterator[str]:
    """Put a relay in front of an engine ("unix:///..."); yields the relay's own URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(engine.removeprefix("unix://"))
        exchange = Exchange()

        async def to_engine() -> None:
            while chunk := await reader.read(1 << 16):
                line = chunk.split(b"\r\n", 1)[0]
                if line.endswith(b" HTTP/1.1"):
                    exchange.request, exchange.sent, exchange.answered = line.decode(), 0, 0
                exchange.sent += len(chunk)
                engine_writer.write(await fault.client(exchange, chunk))
                await engine_writer.drain()

        async def to_client() -> None:
            while chunk := await engine_reader.read(1 << 16):
                exchange.answered += len(chunk)
                writer.write(await fault.engine(exchange, chunk))
                await writer.drain()

        tasks = [asyncio.create_task(to_engine()), asyncio.create_task(to_client())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if isinstance(error, Reply):
                    writer.write(error.answer)
                    with suppress(ConnectionError):
                        await writer.drain()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for each in (writer, engine_writer):
                each.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield f"unix://{path}"
    finally:
        server.close()
