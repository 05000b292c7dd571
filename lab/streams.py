"""Clients that hold a WebSocket or an event stream open and see how it ends."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lab.load import Target

Kind = Literal["socket", "events"]

_SILENCE = 15.0
"""Seconds without a word after which a stream counts as dead: the talker says something every 100 ms."""

_CLOSE = 8
_GOING_AWAY_MASKED = bytes([0x80 | _CLOSE, 0x80 | 2, 0, 0, 0, 0]) + (1001).to_bytes(2, "big")


@dataclass
class Stream:
    """What one stream has seen.

    Attributes:
        heard: How many messages.
        versions: What they said: `lab/talker.py` tells its version.
        opened: Set with the first message, and at the end in any case.
        clean: True once it ended properly (a close frame, the last chunk), False once it was cut.
        reason: Why it counts as cut.
        ended: When, by `time.monotonic()`.
    """

    kind: Kind
    heard: int = 0
    versions: set[str] = field(default_factory=set)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    clean: bool | None = None
    reason: str = ""
    ended: float = 0.0


async def hold(target: Target, stream: Stream) -> None:
    """Read a stream to its end."""
    writer: asyncio.StreamWriter | None = None
    try:
        reader, writer = await asyncio.open_connection(target.address, target.port)
        follow = _socket if stream.kind == "socket" else _events
        await follow(reader, writer, target.host, stream)
        stream.clean = True
    except (OSError, TimeoutError, asyncio.IncompleteReadError, _Refused) as error:
        stream.clean = False
        stream.reason = f"{type(error).__name__}: {error}"
    finally:
        stream.ended = time.monotonic()
        stream.opened.set()
        if writer is not None:
            writer.close()


class _Refused(Exception):
    """The answer was none that a stream begins with."""


async def _events(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, stream: Stream
) -> None:
    writer.write(f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await _head(reader, expect=200)
    text = ""
    while True:
        async with asyncio.timeout(_SILENCE):
            size = int((await reader.readuntil(b"\r\n")).strip(), 16)
            chunk = await reader.readexactly(size + 2)
        if size == 0:
            return
        *events, text = (text + chunk[:size].decode()).split("\n\n")  # a proxy may cut chunks as it likes
        for event in events:
            _heard(stream, event.removeprefix("data: "))


async def _socket(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, stream: Stream
) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /socket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    await _head(reader, expect=101)
    while True:
        async with asyncio.timeout(_SILENCE):
            first, size = await reader.readexactly(2)
            content = await reader.readexactly(size)
        if first & 0x0F == _CLOSE:
            writer.write(_GOING_AWAY_MASKED)
            return
        _heard(stream, content.decode())


async def _head(reader: asyncio.StreamReader, *, expect: int) -> None:
    async with asyncio.timeout(_SILENCE):
        head = await reader.readuntil(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if f" {expect} " not in status:
        raise _Refused(status)


def _heard(stream: Stream, text: str) -> None:
    stream.heard += 1
    stream.versions.add(text)
    stream.opened.set()
