"""Streams to the URLs that `Machine.dial` yields."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def open_stream(url: str) -> Streams:
    """Connect to "unix:///path" or "tcp://host:port". Raises OSError as asyncio does."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    return await asyncio.open_connection(parts.hostname, parts.port)
