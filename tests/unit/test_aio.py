"""Work side by side."""

from __future__ import annotations

import asyncio

import pytest

from ftl.aio import gather_all
from ftl.errors import TransferFailed


def test_calls_side_by_side_give_the_first_error_when_all_are_over() -> None:
    """Nothing goes on behind the caller's back, and the error is no group."""
    over: list[int] = []

    async def call(number: int) -> int:
        await asyncio.sleep(0)
        over.append(number)
        if number == 1:
            raise TransferFailed("second")
        return number

    with pytest.raises(TransferFailed, match="second"):
        asyncio.run(gather_all([call(number) for number in range(3)]))
    assert sorted(over) == [0, 1, 2]
