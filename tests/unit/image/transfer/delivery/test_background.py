"""Tests of an async generator that runs in its own task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.errors import TransferFailed
from ftl.image.transfer.delivery.background import run_in_background

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


def test_the_generator_is_closed_while_its_consumer_still_reads() -> None:
    """It is closed at the end of the context, whatever the consumer does."""
    closed: list[bool] = []

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    async def read(chunks: AsyncIterator[bytes], started: asyncio.Event) -> None:
        async for _ in chunks:
            started.set()

    async def work() -> None:
        started = asyncio.Event()
        async with run_in_background(endless()) as chunks:
            reader = asyncio.create_task(read(chunks, started))
            await started.wait()
        assert closed == [True]
        assert not reader.done()
        reader.cancel()

    asyncio.run(work())


def test_chunks_and_errors_are_passed_on() -> None:
    """In order: the error comes after the chunks before it."""

    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"
        raise TransferFailed("broken")

    async def work() -> list[bytes]:
        async with run_in_background(failing()) as chunks:
            first = [await anext(chunks), await anext(chunks)]
            with pytest.raises(TransferFailed, match="broken"):
                await anext(chunks)
        return first

    assert asyncio.run(work()) == [b"one", b"two"]
