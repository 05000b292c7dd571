"""A stream cut into blocks, and work on the blocks in threads, beside the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

T = TypeVar("T")
U = TypeVar("U")


async def in_blocks(pieces: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """The same bytes in blocks of at least so many, but the last; pieces that are as large pass as they are."""
    block = bytearray()
    async for piece in pieces:
        if not block and len(piece) >= size:
            yield piece
            continue
        block += piece
        if len(block) >= size:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


async def map_in_threads(
    items: AsyncIterator[T], work: Callable[[T], U], *, threads: int, ahead: int
) -> AsyncGenerator[U, None]:
    """What work makes of each item, in order; in so many threads, reading so many items ahead."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="compress")
    loop = asyncio.get_running_loop()
    running: deque[asyncio.Future[U]] = deque()
    try:
        async for item in items:
            running.append(loop.run_in_executor(pool, work, item))
            if len(running) > ahead:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
