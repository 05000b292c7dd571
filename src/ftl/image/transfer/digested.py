"""A layer's blob, read for what it is and not kept."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from ftl.image.transfer.decompress import Decompressor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PIECE = 1 << 20


async def digested(pieces: AsyncIterator[bytes]) -> tuple[str, int]:
    """The diffID of a layer's blob, and the size of its tar in bytes.

    Raises:
        TransferFailed: The blob is damaged.
    """
    decompressor = Decompressor()
    found = hashlib.sha256()
    size = 0

    def feed(data: bytes) -> int:
        chunks = 0
        for chunk in decompressor.feed(data):
            found.update(chunk)
            chunks += len(chunk)
        return chunks

    gathered = bytearray()
    async for piece in pieces:
        gathered += piece
        if len(gathered) >= _PIECE:
            size += await asyncio.to_thread(feed, bytes(gathered))
            gathered.clear()
    size += await asyncio.to_thread(feed, bytes(gathered))
    rest = decompressor.finish()
    found.update(rest)
    return f"sha256:{found.hexdigest()}", size + len(rest)
