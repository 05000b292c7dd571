"""Streams to the URLs that `Machine.dial` yields."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

StreamPair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""Both directions of one connection."""


def open_sockets(url: str, count: int) -> list[socket.socket]:
    """Connect to "unix:///path" several times, without waiting; fewer where that fails.

    Over SSH a connection takes a round trip, during which other things can be done.
    """
    sockets: list[socket.socket] = []
    for _ in range(count):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(url.removeprefix("unix://"))
        except OSError:
            connection.close()
            break
        sockets.append(connection)
    return sockets


async def open_stream(url: str) -> StreamPair:
    """Connect to "unix:///path" or "tcp://host:port". Raises OSError as asyncio does."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    return await asyncio.open_connection(parts.hostname, parts.port)
