"""The deploy locks of several servers, taken as one: a change needs all that it can get.

They are asked for side by side. Where somebody else has one, all are given back and taken one after the other in the
order that all callers use, so that of two who want them one gets them all.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.aio import cancel, gather, gather_all, loop_time
from ftl.errors import FtlError, LockTaken, ServerError
from ftl.events import Note
from ftl.locks.script_lines import Holder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.events import Emit
    from ftl.locks.lock import ServerLock

AGAIN = 1.0
"""Seconds for which one is asked for again.

Somebody may have it only until he sees that he does not get all.
"""


@asynccontextmanager
async def all_taken(
    locks: Sequence[ServerLock], holder: str, *, wait: float, emit: Emit
) -> AsyncIterator[asyncio.Task[None]]:
    """Take locks as `ServerLock.taken` takes one; the task ends when more than half are lost.

    Where no more than half of the servers cannot lock, or do not answer, they are named, and the others must do. There
    is one of each server, in the order that all callers use. A wait of 0 gives up at once.

    Raises:
        LockTaken: Another operation has one of them.
        ServerError: Most servers do not answer, or cannot lock.
    """
    if len(locks) == 1:
        async with locks[0].taken(holder, wait=wait, emit=emit) as heartbeat:
            yield heartbeat
        return
    held = _Held(holder)
    try:
        problems = await gather(held.take(lock, 0.0, _silent) for lock in locks)
        if any(isinstance(problem, LockTaken) for problem in problems):
            await held.release()
            deadline = loop_time() + (wait or AGAIN)
            problems = []
            for lock in locks:
                left = max(0.0, deadline - loop_time())
                problems.append(await held.take(lock, left, emit if wait else _silent))
                if isinstance(problems[-1], LockTaken):
                    raise problems[-1]
        failed = [problem for problem in problems if problem is not None]
        if not locks_suffice(locks, failed):
            raise failed[0]
        for problem in failed:
            emit(
                Note(
                    f"{problem.message}: the lock of the other servers must do", "warning", hint=problem.cause
                )
            )
        watch = asyncio.create_task(_until_lost(held.heartbeats))
        try:
            yield watch
        finally:
            await cancel(watch)
    finally:
        await held.release()


def locks_suffice(locks: Sequence[ServerLock], problems: Sequence[FtlError]) -> bool:
    """Whether those without a problem must do: else somebody else may get most of them."""
    return 2 * len(problems) <= len(locks)


async def look(locks: Sequence[ServerLock]) -> tuple[Holder | None, tuple[ServerError, ...]]:
    """Look side by side who has one of them, and why some cannot be looked at.

    Of several holders FTL itself counts, before a script that goes on without its own.
    """

    async def look_at(lock: ServerLock) -> Holder | ServerError | None:
        try:
            return await lock.holder()
        except ServerError as error:
            return error

    answers = await gather(map(look_at, locks))
    holders = [answer for answer in answers if isinstance(answer, Holder)]
    problems = tuple(answer for answer in answers if isinstance(answer, ServerError))
    return min(holders, key=lambda holder: holder.goes_on, default=None), problems


class _Held:
    """Locks that we have."""

    def __init__(self, holder: str) -> None:
        self.heartbeats: list[asyncio.Task[None]] = []
        self._holder = holder
        self._open: list[AbstractAsyncContextManager[asyncio.Task[None]]] = []

    async def take(self, lock: ServerLock, wait: float, emit: Emit) -> LockTaken | ServerError | None:
        """Take one more; returns why that is not possible."""
        taken = lock.taken(self._holder, wait=wait, emit=emit)
        try:
            heartbeat = await taken.__aenter__()
        except (LockTaken, ServerError) as error:
            return error
        self._open.append(taken)
        self.heartbeats.append(heartbeat)
        return None

    async def release(self) -> None:
        """Release all of them, side by side."""
        taken, self._open = self._open, []
        self.heartbeats.clear()
        await gather_all(one.__aexit__(None, None, None) for one in taken)


async def _until_lost(heartbeats: Iterable[asyncio.Task[None]]) -> None:
    """Wait until more than half of the locks are lost.

    Raises:
        ServerError: They are.
    """
    every, lost = [*heartbeats], 0
    for ended in asyncio.as_completed(every):
        try:
            await ended
        except ServerError:
            lost += 1
            if 2 * lost > len(every):
                raise


def _silent(_event: object) -> None:
    """Say nothing."""
