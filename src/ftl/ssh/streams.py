"""Streams to the URLs that `Machine.dial` yields."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

StreamPair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""Both directions of one connection."""


def connected(path: Path | str) -> socket.socket:
    """Connect to a unix socket without waiting: one whose queue is full raises BlockingIOError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def open_sockets(url: str, count: int) -> list[socket.socket]:
    """Connect to "unix:///path" several times, without waiting; fewer where that fails.

    Over SSH a connection takes a round trip, during which other things can be done.
    """
    sockets: list[socket.socket] = []
    for _ in range(count):
        try:
            sockets.append(connected(url.removeprefix("unix://")))
        except OSError:
            break
    return sockets


async def open_stream(url: str) -> StreamPair:
    """Connect to "unix:///path" or "tcp://host:port". Raises OSError as asyncio does."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    return await asyncio.open_connection(parts.hostname, parts.port)
