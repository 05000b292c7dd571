"""Child processes that use FTL's own terminal or pipes: `ssh -t`, and the data of a pipe."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import sys
import threading
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from ftl.child import stop
from ftl.spawn import start_process
from ftl.ssh.framing import NoiseFilter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_CHUNK = 1 << 20

# Reads a pipe of ours to its end: we were killed. The child then restores the terminal, which only SIGHUP lets it do.
_GUARD = 'trap "" INT HUP TERM; read -r _; kill -s HUP "$1" && sleep 2 && kill -s KILL "$1"'


async def run_in_foreground(argv: Sequence[str], *, boundary: str | None = None) -> int:
    """Run a child with FTL's own stdin, stdout and stderr, and return its exit status.

    It stays in our process group, which alone may use the terminal. It ends with us, `kill -9` included.

    Its stdout begins after the line with `boundary`; None: it goes to ours directly.

    Raises:
        BrokenPipeError: The reader of our stdout has gone.
        OSError: It cannot be started, or our stdout cannot be written.
    """
    if boundary is None:
        async with _running(argv, None) as process:
            return _status(await process.wait())
    copy = _Copy(boundary)
    try:
        async with _running(argv, copy.sink) as process:
            copy.start()
            ending = asyncio.create_task(process.wait())
            try:
                # A copy that ends first has failed, or the command has closed its stdout.
                waits: list[asyncio.Future[Any]] = [ending, copy.ended]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if copy.ended.done():
                    copy.ended.result()
                status = await ending
                await copy.ended
                return _status(status)
            finally:
                ending.cancel()
    finally:
        copy.close()


def _status(returncode: int) -> int:
    """Exit status as a shell has it: 128 and the signal for a child that a signal ended."""
    return returncode if returncode >= 0 else 128 - returncode


@asynccontextmanager
async def _running(argv: Sequence[str], stdout: int | None) -> AsyncIterator[Process]:
    """Start the child and its guard; both have ended afterwards."""
    process = await start_process(argv, stdin=None, stdout=stdout, stderr=None)
    guard: Process | None = None
    try:
        guard = await start_process(
            ("/bin/sh", "-c", _GUARD, "ftl-guard", str(process.pid)),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            session=True,
        )
        yield process
    finally:
        await asyncio.shield(stop(process))
        if guard is not None:
            with suppress(ProcessLookupError):
                guard.kill()
            await asyncio.shield(guard.wait())


class _Copy:
    """Copies a child's stdout to ours, after the boundary; in a thread, since stdout may block.

    The thread is a daemon: a reader that has stopped reading must not keep FTL from ending. The child's stdout,
    `sink`, is closed here once the child has it; `ended` is done when all is written, or has the error.
    """

    def __init__(self, boundary: str) -> None:
        self._source, self.sink = os.pipe()
        if sys.platform == "linux":
            with suppress(OSError):  # the user's limit for pipes
                fcntl.fcntl(self._source, fcntl.F_SETPIPE_SZ, _CHUNK)
        self._noise = NoiseFilter(boundary)
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._started = False

    def start(self) -> None:
        """Copy until the child, and all that it gave its stdout to, have closed it."""
        os.close(self.sink)
        self._started = True
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Close what no thread will close."""
        if not self._started:
            os.close(self.sink)
            os.close(self._source)
        if self.ended.done() and not self.ended.cancelled():
            self.ended.exception()  # it was raised, or the child's own failure was

    def _run(self) -> None:
        error: OSError | None = None
        try:
            self._copy()
        except OSError as failure:
            error = failure
        os.close(self._source)  # ends a child that goes on writing
        with suppress(RuntimeError):  # the loop is closed: we were stopped
            self._loop.call_soon_threadsafe(self._finish, error)

    def _finish(self, error: OSError | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    def _copy(self) -> None:
        while data := os.read(self._source, _CHUNK):
            if own := self._noise.feed(data):
                _write(own)


def _write(data: bytes) -> None:
    """Write everything to stdout, which ssh may have made non-blocking: it may be the same pipe as stderr."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(1, view) :]
        except BlockingIOError:
            select.select([], [1], [])
