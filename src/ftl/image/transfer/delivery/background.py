"""A stream that is made by a task of its own, and so can be ended whoever reads it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

_AHEAD = 2
"""Chunks that are made before they are read."""


@asynccontextmanager
async def run_in_background(stream: AsyncGenerator[bytes, None]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Hand on a stream that ends with the context, closed.

    An HTTP client reads a request's body in a task of its own, which may still be inside the body's generator when
    the answer is there (an engine refuses before it has read all): one cannot close it then. Here the generator's
    work is done in a task that we can end and wait for.
    """
    chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_AHEAD)

    async def work() -> None:
        try:
            async with aclosing(stream):
                async for chunk in stream:
                    await chunks.put(chunk)
        except Exception as error:  # noqa: BLE001  # handed to the reader, who raises it
            await chunks.put(error)
        else:
            await chunks.put(None)

    async def read() -> AsyncIterator[bytes]:
        while (chunk := await chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    task = asyncio.create_task(work())
    try:
        yield read()
    finally:
        task.cancel()
        await asyncio.wait([task])
