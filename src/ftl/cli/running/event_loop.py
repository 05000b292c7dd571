"""Run asynchronous work with a reporter until it ends or a signal cancels it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ftl.errors import FtlError, Interrupted
from ftl.ui import Reporter, open_reporter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl.cli.options import Options
    from ftl.events import Emit

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_async(options: Options, command: str, work: Callable[[Emit], Awaitable[T]]) -> T:
    """Run the work; the terminal is left clean however it ends."""
    reporter = open_reporter(as_json=options.json, quiet=options.quiet, verbose=options.verbose)
    try:
        running = _run_until_signal(
            lambda: work(reporter.emit),
            lambda: _give_up(options, command, reporter),
            shows_background_errors=options.verbose > 1 or sys.flags.dev_mode,
        )
        try:
            return asyncio.run(running)
        finally:
            running.close()  # a signal may come before it has begun: Python warns of work that nobody awaited
    finally:
        reporter.close()


def _give_up(options: Options, command: str, reporter: Reporter) -> NoReturn:
    """Report the interruption and exit at once."""
    from ftl.cli.failure import report_and_exit_code

    reporter.close()
    error = Interrupted("stopped at once", cause="a second signal arrived before the cleanup finished")
    os._exit(report_and_exit_code(error, command=command, options=options))


async def _run_until_signal(
    work: Callable[[], Awaitable[T]],
    give_up: Callable[[], NoReturn],
    *,
    shows_background_errors: bool,
) -> T:
    """Run the work; the first signal cancels it, the second one calls `give_up`.

    An exception that nobody waited for is shown as a traceback only with `shows_background_errors`: when a connection
    is lost, several tasks fail, and the first failure is the one that is reported.

    Raises:
        Interrupted: A signal stopped the work; its cause is an error of the cleanup, if there was one.
    """
    stop = _Stop(asyncio.current_task(), give_up)
    loop = asyncio.get_running_loop()
    if not shows_background_errors:
        loop.set_exception_handler(lambda _loop, _context: None)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a job in the background
            loop.add_signal_handler(number, stop)
    try:
        return await work()
    except asyncio.CancelledError:
        if stop.requested:
            raise Interrupted("stopped") from None
        raise
    except FtlError as error:
        if stop.requested and not isinstance(error, Interrupted):
            raise Interrupted("stopped", cause=error.message, hint=error.hint) from error
        raise
    finally:
        if "ftl.spawn" in sys.modules:  # else the work has started no child processes
            from ftl.spawn import end_children

            await end_children()


class _Stop:
    """Signal handler: the first signal cancels the work, which cleans up; the second exits at once."""

    def __init__(self, task: asyncio.Task[object] | None, give_up: Callable[[], NoReturn]) -> None:
        self.requested = False
        self._task = task
        self._give_up = give_up

    def __call__(self) -> None:
        if self.requested or self._task is None:
            self._give_up()
        self.requested = True
        self._task.cancel()
