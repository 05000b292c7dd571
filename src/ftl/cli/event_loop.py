"""Run asynchronous work in an event loop, with a reporter, until it ends or a signal cancels it."""

from __future__ import annotations

import asyncio
import os
import signal
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
    """Run the work to its end; the terminal is left clean whatever happens."""
    reporter = open_reporter(as_json=options.json, quiet=options.quiet, verbose=options.verbose)
    try:
        return asyncio.run(_run_until_signal(work, reporter, lambda: _give_up(options, command, reporter)))
    finally:
        reporter.close()


def _give_up(options: Options, command: str, reporter: Reporter) -> NoReturn:
    """End the program at once, and say so."""
    from ftl.cli.failure import report_and_exit_code

    reporter.close()
    error = Interrupted("stopped at once", cause="a second signal came before everything was cleaned up")
    os._exit(report_and_exit_code(error, command=command, as_json=options.json))


async def _run_until_signal(
    work: Callable[[Emit], Awaitable[T]], reporter: Reporter, give_up: Callable[[], NoReturn]
) -> T:
    """The work, cancelled by the first signal.

    Raises:
        Interrupted: It was stopped by a signal; its cause says what else went wrong on the way back.
    """
    stop = _Stop(asyncio.current_task(), give_up)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a job in the background
            loop.add_signal_handler(number, stop)
    try:
        return await work(reporter.emit)
    except asyncio.CancelledError:
        if stop.asked:
            raise Interrupted("stopped") from None
        raise
    except FtlError as error:
        if stop.asked and not isinstance(error, Interrupted):
            raise Interrupted("stopped", cause=error.message, hint=error.hint) from error
        raise


class _Stop:
    """What signals do: the first cancels the work, which cleans up; the second ends the program at once."""

    def __init__(self, task: asyncio.Task[object] | None, give_up: Callable[[], NoReturn]) -> None:
        self.asked = False
        self._task = task
        self._give_up = give_up

    def __call__(self) -> None:
        if self.asked or self._task is None:
            self._give_up()
        self.asked = True
        self._task.cancel()
