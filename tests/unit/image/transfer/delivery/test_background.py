"""A stream that is made by a task of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.errors import TransferFailed
from ftl.image.transfer.delivery.background import run_in_background

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


def test_a_pump_ends_its_stream_while_someone_still_reads() -> None:
    """The stream is closed when the context is left, whatever its reader does."""
    ended: list[bool] = []

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            ended.append(True)

    async def read(chunks: AsyncIterator[bytes], begun: asyncio.Event) -> None:
        async for _ in chunks:
            begun.set()

    async def work() -> None:
        begun = asyncio.Event()
        async with run_in_background(endless()) as chunks:
            reader = asyncio.create_task(read(chunks, begun))
            await begun.wait()
        assert ended == [True]
        assert not reader.done()
        reader.cancel()

    asyncio.run(work())


def test_a_pump_hands_on_content_and_errors() -> None:
    """In order, and the error where it happened."""

    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"
        raise TransferFailed("broken")

    async def work() -> list[bytes]:
        async with run_in_background(failing()) as chunks:
            seen = [await anext(chunks), await anext(chunks)]
            with pytest.raises(TransferFailed, match="broken"):
                await anext(chunks)
        return seen

    assert asyncio.run(work()) == [b"one", b"two"]
