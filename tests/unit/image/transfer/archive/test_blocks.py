"""Tests of blocks of a stream, and of functions on them in threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.image.transfer.archive.blocks import in_blocks, map_in_threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def test_blocks_have_a_minimum_size() -> None:
    """All but the last."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(7):
            yield b"abc"

    async def work() -> list[int]:
        return [len(block) async for block in in_blocks(chunks(), 5)]

    assert asyncio.run(work()) == [6, 6, 6, 3]


def test_results_are_in_order_and_not_read_far_ahead() -> None:
    """Memory is bounded: of a stream whose results are not read, only a few items are taken."""
    read: list[int] = []

    async def numbers() -> AsyncIterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    async def work() -> list[int]:
        doubled = map_in_threads(numbers(), lambda number: number * 2, threads=2, ahead=3)
        first = await anext(doubled)
        assert len(read) <= 4
        return [first, *[number async for number in doubled]]

    assert asyncio.run(work()) == [number * 2 for number in range(100)]
