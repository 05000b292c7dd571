"""Blocks of a stream: regroup its chunks, process them in threads, and return their memory."""

from __future__ import annotations

import asyncio
import ctypes
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

T = TypeVar("T")
U = TypeVar("U")

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD in glibc's malloc.h; setting it also stops it from growing."""

_LARGE = 256 << 10


async def in_blocks(chunks: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """Regroup chunks into blocks of a minimum size, but for the last; larger chunks stay."""
    block = bytearray()
    async for chunk in chunks:
        if not block and len(chunk) >= size:
            yield chunk
            continue
        block += chunk
        if len(block) >= size:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


async def map_in_threads(
    items: AsyncIterator[T], function: Callable[[T], U], *, threads: int, ahead: int
) -> AsyncGenerator[U, None]:
    """Apply a blocking function to each item, in order of the items.

    The function is called in several threads at a time; `ahead` items are read ahead of the results.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="compress")
    loop = asyncio.get_running_loop()
    running: deque[asyncio.Future[U]] = deque()
    try:
        async for item in items:
            running.append(loop.run_in_executor(pool, function, item))
            if len(running) > ahead:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def return_freed_memory() -> None:
    """Make glibc return large blocks to the system when they are freed; else do nothing.

    Compressing takes a few megabytes at a time, in several threads. glibc learns from large blocks that are freed to
    keep the next ones of that size (its threshold for mmap grows up to 32 MB), in one heap for each thread: 110 MB at
    the peak of a transfer instead of 85.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
