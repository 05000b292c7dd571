"""Calls side by side, of which the first error is raised as it is, when all are over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

T = TypeVar("T")


async def together(calls: Iterable[Coroutine[object, object, T]], *, limit: int = 32) -> list[T]:
    """Await all, at most `limit` at a time; their results in order.

    A TaskGroup would wrap the error in a group; `gather` would leave the other calls running behind it.
    """
    gate = asyncio.Semaphore(limit)

    async def one(call: Coroutine[object, object, T]) -> T:
        async with gate:
            return await call

    results = await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done
