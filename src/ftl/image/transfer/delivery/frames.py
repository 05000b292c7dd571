"""A layer compressed in frames that do not depend on each other: on several cores, as hard as the link gives time for.

One zstd stream is the concatenation of any frames, so each block of 2 MB is one, and each may have its own level. That
costs 1.5 % of a layer of 123 MB against one stream, and half the memory of blocks of 4 MB, which cost 0.6 %.

Level 3 is 230 MB/s a core, and already 10 to 15 % smaller than what `docker push` and `gzip` send; level 8 is 82 MB/s
and another 10 % smaller, which a slow link has time for. More takes more memory than it is worth (18 MB a thread at
level 8, 50 at 12).
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from ftl.image.transfer.archive.blocks import in_blocks, map_in_threads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

THREADS = min(3, os.cpu_count() or 1)
"""That compress side by side; so many blocks are read ahead."""

BLOCK = 2 << 20
"""Bytes that make a frame."""

_EASY, _HARD = 3, 8
"""The levels between which the link decides."""

_SLOW = 16e6
"""Bytes a second below which a link waits longer for bytes than two cores for the next level."""


class Pace:
    """How fast bytes go, and the level of compression that leaves time for.

    Args:
        speed: The link's, in bytes a second, where it is known from before.

    Attributes:
        known: The link's speed, where it is known from before.
        level: For the next block.
    """

    def __init__(self, speed: float | None = None) -> None:
        self.known = speed
        self.level = _HARD if speed is not None and speed < _SLOW else _EASY
        self._bytes = 0
        self._seconds = 0.0

    def took(self, count: int, seconds: float) -> None:
        """So many bytes were handed over in so many seconds; a buffer may have swallowed them at once."""
        self._bytes += count
        self._seconds += seconds
        slow = count < _SLOW * seconds
        self.level = min(_HARD, self.level + 1) if slow else max(_EASY, self.level - 1)

    def speed(self, least: int) -> float | None:
        """Bytes a second; None before so many bytes, the first of which only fill buffers."""
        return self._bytes / self._seconds if self._bytes >= least and self._seconds > 0 else None


def compress_frame(block: bytes, level: int) -> bytes:
    """One frame; blocking, several may run side by side."""
    options: dict[int, int] = {zstd.CompressionParameter.compression_level: level}
    return zstd.ZstdCompressor(options=options).compress(block, zstd.ZstdCompressor.FLUSH_FRAME)


async def compress_frames(pieces: AsyncIterator[bytes], pace: Pace) -> AsyncGenerator[bytes, None]:
    """The layer in frames; how long each takes until the next is asked for sets the pace."""
    whole = in_blocks(pieces, BLOCK)
    work = map_in_threads(
        whole, lambda block: compress_frame(block, pace.level), threads=THREADS, ahead=THREADS
    )
    async with aclosing(work) as made:
        async for each in made:
            began = time.monotonic()
            yield each
            pace.took(len(each), time.monotonic() - began)
