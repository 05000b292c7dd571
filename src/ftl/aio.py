"""Helpers for asyncio: parallel calls with plain errors, shielded calls, ended tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE = 32
"""Calls that are awaited at the same time, if nothing else is said."""


async def in_thread(work: Callable[[], T], seconds: float) -> T:
    """Run blocking work in a thread that is not waited for after its limit.

    `asyncio.to_thread` would keep the program from its end: its threads are joined when the loop closes.

    Raises:
        TimeoutError: It takes too long.
        Exception: As `work`.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def deliver(result: Callable[[], None]) -> None:
        if not outcome.done():
            result()

    def call() -> None:
        try:
            result = partial(outcome.set_result, work())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            result = partial(outcome.set_exception, error)
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(deliver, result)

    Thread(target=call, name="ftl-thread", daemon=True).start()
    async with asyncio.timeout(seconds):
        return await outcome


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup that raises one error instead of a group: see `first_of`."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise first_of(errors) from None


async def gather(calls: Iterable[Coroutine[Any, Any, T]], *, limit: int = AT_ONCE) -> list[T]:
    """Await all, at most `limit` at a time; returns their results in order.

    The first error cancels the others and is raised by itself, not in a group; an FtlError before any other.
    """
    gate = asyncio.Semaphore(limit)
    async with task_group() as group:
        tasks = [group.create_task(_through(gate, call)) for call in calls]
    return [task.result() for task in tasks]


async def gather_all(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Like `gather`, but an error does not cancel the others: it is raised when all have ended."""
    gate = asyncio.Semaphore(AT_ONCE)
    results = await asyncio.gather(*(_through(gate, call) for call in calls), return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


def gather2(
    first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]
) -> Coroutine[Any, Any, tuple[T, U]]:
    """Await two coroutines of different types; errors as in `gather`."""
    return _Joined(_gather2(first, second), first, second)


async def _gather2(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    async with task_group() as group:
        tasks = group.create_task(first), group.create_task(second)
    return tasks[0].result(), tasks[1].result()


async def _through(gate: asyncio.Semaphore, call: Coroutine[Any, Any, T]) -> T:
    try:
        async with gate:
            return await call
    finally:
        call.close()  # cancelled at the gate, it was never awaited


class _Joined(Coroutine[Any, Any, T]):
    """A coroutine over others. Cancelled before it begins, it closes them: Python warns of those never awaited."""

    def __init__(self, work: Coroutine[Any, Any, T], *calls: Coroutine[Any, Any, Any]) -> None:
        self._work = work
        self._calls = calls

    def __await__(self) -> Generator[Any, Any, T]:
        return self._work.__await__()

    def send(self, value: Any) -> Any:
        self._calls = ()
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        self._close_calls()
        return self._work.throw(*error)

    def close(self) -> None:
        self._close_calls()
        self._work.close()

    def _close_calls(self) -> None:
        for call in self._calls:
            call.close()
        self._calls = ()


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error of a group to raise: the first FtlError, else the first one."""
    flat: list[BaseException] = []
    for error in errors.exceptions:
        flat += [first_of(error)] if isinstance(error, BaseExceptionGroup) else [error]
    return next((error for error in flat if isinstance(error, FtlError)), flat[0])


def loop_time() -> float:
    """The time of the event loop's clock, by which waits are measured."""
    return asyncio.get_running_loop().time()


async def cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, and wait until they have ended, however they do."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Complete a coroutine that must not stop half way.

    A cancellation that arrived meanwhile is raised afterwards.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except BaseException:  # noqa: BLE001, S110 - raised below, by `task.result()`
            pass
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
