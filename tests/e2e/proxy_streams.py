"""Clients that hold a WebSocket or an event stream open and see how it ends."""

from __future__ import annotations

import asyncio
import base64
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.load import Target


@dataclass
class Stream:
    """What one stream has seen. `clean` is True once it ended properly, False once it was cut."""

    kind: str
    heard: int = 0
    versions: set[str] = field(default_factory=set)
    clean: bool | None = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)


async def hold(target: Target, stream: Stream) -> None:
    """Read a stream to its end."""
    reader, writer = await asyncio.open_connection(target.address, target.port)
    try:
        await (_socket if stream.kind == "socket" else _events)(reader, writer, target.host, stream)
    except (OSError, asyncio.IncompleteReadError):
        stream.clean = False
    finally:
        stream.opened.set()
        writer.close()


async def _events(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, stream: Stream
) -> None:
    writer.write(f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    while True:
        size = int((await reader.readuntil(b"\r\n")).strip(), 16)
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            stream.clean = True
            return
        _heard(stream, chunk.decode().strip().removeprefix("data: "))


async def _socket(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, stream: Stream
) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /socket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    while True:
        first, size = await reader.readexactly(2)
        content = await reader.readexactly(size)
        if first & 0x0F == 8:
            stream.clean = True
            return
        _heard(stream, content.decode())


def _heard(stream: Stream, text: str) -> None:
    stream.heard += 1
    stream.versions.add(text)
    stream.opened.set()
