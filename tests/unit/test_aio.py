"""Helpers for asyncio."""

from __future__ import annotations

import asyncio

import pytest

from ftl.aio import gather_all
from ftl.errors import TransferFailed


def test_gather_all_raises_the_first_error_when_all_have_ended() -> None:
    """No call is left running, and the error is not a group."""
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
