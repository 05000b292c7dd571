"""Run an async generator in its own task, to cancel it independently of its consumer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from ftl.aio import cancel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

_AHEAD = 2
"""Chunks that are made before they are read."""


@asynccontextmanager
async def run_in_background(stream: AsyncGenerator[bytes, None]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Iterate over a stream that is closed at the end of this context.

    An HTTP client reads a request's body in a task of its own, which may still be inside the body's generator when
    the response is there (an engine refuses before it has read everything): it cannot be closed then. Here the
    generator runs in a task that can be cancelled and waited for.
    """
    chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_AHEAD)

    async def produce() -> None:
        try:
            async with aclosing(stream):
                async for chunk in stream:
                    await chunks.put(chunk)
        except Exception as error:  # noqa: BLE001  # passed to the consumer, who raises it
            await chunks.put(error)
        else:
            await chunks.put(None)

    async def consume() -> AsyncIterator[bytes]:
        while (chunk := await chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    task = asyncio.create_task(produce())
    try:
        yield consume()
    finally:
        await cancel(task)
