"""Helpers for asyncio: parallel calls with plain errors, shielded calls, ended tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE = 32
"""Calls that are awaited at the same time, if nothing else is said."""


STOP_SECONDS = 4.0
"""Time for an event loop in a thread to end its children after it was cancelled, in seconds."""

_nested: ContextVar[NestedLoops] = ContextVar("nested")
"""In a thread of `in_thread`: the event loops that its work runs."""


async def in_thread(work: Callable[[], T], seconds: float | None) -> T:
    """Run blocking work in a thread, which nobody waits for after its limit or a cancellation.

    Coroutines that it runs by `run_loop` are cancelled then, and have some seconds to clean up.

    `asyncio.to_thread` would keep the program from its end: its threads are joined when the loop closes.

    Args:
        work: Blocks.
        seconds: Its limit; None: it has none.

    Raises:
        TimeoutError: It takes too long.
        Exception: As `work`.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    nested = NestedLoops()

    def deliver(result: Callable[[], object]) -> None:
        if not outcome.done():
            result()

    def call() -> None:
        _nested.set(nested)
        result: Callable[[], object] = outcome.cancel
        try:
            result = partial(outcome.set_result, work())
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            result = partial(outcome.set_exception, error)
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(deliver, result)

    Thread(target=call, name="ftl-thread", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(outcome)
    finally:
        if not outcome.done() and nested.stop():
            await asyncio.wait((outcome,), timeout=STOP_SECONDS)
        outcome.cancel()  # if it is not done: nobody waits any more


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as `asyncio.run` does; in the work of `in_thread`, end it with that."""
    nested = _nested.get(None)
    return asyncio.run(work if nested is None else nested.follow(work))


class NestedLoops:
    """The event loops that blocking work runs, one after another."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cancel: Callable[[], object] | None = None
        self._stopped = False

    async def follow(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work of a loop until `stop`, at whatever moment it comes; none after it."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        with self._lock:  # a loop that is stopped is not yet closed
            if self._stopped:  # a task that is cancelled here would still run until its first wait
                work.close()
                raise asyncio.CancelledError
            self._cancel = partial(loop.call_soon_threadsafe, task.cancel)
        try:
            return await work
        finally:
            with self._lock:
                self._cancel = None

    def stop(self) -> bool:
        """Cancel the loop that runs, and those to come; false if none runs."""
        with self._lock:
            self._stopped = True
            if self._cancel is None:
                return False
            self._cancel()
            return True


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
