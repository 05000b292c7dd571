"""Helpers for asyncio."""

from __future__ import annotations

import asyncio
import gc
import warnings
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from ftl.aio import gather, gather2, gather_all, in_thread, run_loop
from ftl.errors import TransferFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine


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


def test_calls_that_are_cancelled_before_they_begin_are_closed() -> None:
    """Python would warn, between our lines, that they were never awaited."""

    async def call() -> None:
        await asyncio.sleep(1)

    async def scenario(work: Coroutine[Any, Any, Any], *, begun: bool) -> None:
        task = asyncio.ensure_future(work)
        if begun:
            await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    gc.collect()  # what other tests have left
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(scenario(gather2(call(), call()), begun=False))
        asyncio.run(scenario(gather2(call(), gather2(call(), call())), begun=False))
        asyncio.run(scenario(gather([call(), call()], limit=1), begun=True))
        gc.collect()
    assert [str(one.message) for one in warned] == []


def test_gather2_returns_both_results() -> None:
    """Awaited and as a task."""

    async def number(value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def work() -> None:
        assert await gather2(number(1), number(2)) == (1, 2)
        assert await asyncio.create_task(gather2(number(1), gather2(number(2), number(3)))) == (1, (2, 3))

    asyncio.run(work())


def test_a_loop_that_begins_after_the_cancellation_does_nothing() -> None:
    """The command of a secret was started after Ctrl-C, where the thread had still read ftl.yaml."""
    begun, cancelled, ended = Event(), Event(), Event()
    done: list[str] = []

    async def start_command() -> None:
        done.append("started")

    def work() -> None:
        begun.set()
        cancelled.wait(10)
        try:
            run_loop(start_command())
        finally:
            ended.set()

    async def scenario() -> None:
        task = asyncio.ensure_future(in_thread(work, None))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        cancelled.set()
        assert await asyncio.to_thread(ended.wait, 10)

    asyncio.run(scenario())
    assert done == []
