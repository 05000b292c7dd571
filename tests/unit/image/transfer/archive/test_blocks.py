"""A stream in blocks, and work on them in threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.image.transfer.archive.blocks import in_blocks, map_in_threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def test_blocks_hold_at_least_so_much() -> None:
    """But the last."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(7):
            yield b"abc"

    async def work() -> list[int]:
        return [len(block) async for block in in_blocks(pieces(), 5)]

    assert asyncio.run(work()) == [6, 6, 6, 3]


def test_work_is_done_in_order_and_not_far_ahead() -> None:
    """Memory is bounded: of a stream that nobody reads, no more is taken than was asked for, and one."""
    taken: list[int] = []

    async def numbers() -> AsyncIterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    async def work() -> list[int]:
        doubled = map_in_threads(numbers(), lambda number: number * 2, threads=2, ahead=3)
        first = await anext(doubled)
        assert len(taken) <= 4
        return [first, *[number async for number in doubled]]

    assert asyncio.run(work()) == [number * 2 for number in range(100)]
