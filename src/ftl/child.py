"""Child processes that never outlive whoever started them: bounded waits, and a cascade of signals for the stubborn.

Three ways to have one: `complete` runs it to its end and keeps what it wrote, `lines_of` hands out its lines while
it runs, `start` leaves its pipes to the caller. Each child heads a session of its own, so that Ctrl-C at the terminal
reaches it through us alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

INTERRUPT_SECONDS = 5.0
"""Seconds that a child gets after Ctrl-C's signal: a builder tells the engine to give up."""

GRACE_SECONDS = 3.0
TERM_SECONDS = 2.0
"""Seconds between asking a child to end and SIGTERM, and between that and SIGKILL."""

READ_LIMIT = 1 << 20
"""Bytes that a reader buffers: a line of JSON or base64 may be long."""

_CHUNK = 64 * 1024

# $1: a process group; $2, $3: seconds. A signal to a group that has ended fails, and with it the rest.
_GUARD = """
read -r _
kill -s INT -- "-$1" && sleep "$2" && kill -s TERM -- "-$1" && sleep "$3" && kill -s KILL -- "-$1"
"""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left behind."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes


class Stoppable(Protocol):
    """A child that can be ended: asyncio's `Process`, or what is like it."""

    @property
    def returncode(self) -> int | None:
        """None: it still runs, as far as is known."""
        ...

    def terminate(self) -> None:
        """Send SIGTERM."""
        ...

    def kill(self) -> None:
        """Send SIGKILL."""
        ...

    async def wait(self) -> int:
        """Wait for its end."""
        ...


# --- pipes left to the caller -----------------------------------------------------------------------


async def start(argv: Sequence[str], *, group: int | None = None) -> Process:
    """Start a child with pipes; it is the caller's to `stop`.

    Args:
        argv: The program and its arguments.
        group: The process group that it joins, to be ended with that; None: a session of its own.
    """
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=READ_LIMIT,
        start_new_session=group is None,
        process_group=group,
    )


async def stop(process: Stoppable) -> None:
    """Terminate a child, kill it when that does not help, and wait for its end."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        await finish(process)


async def finish(process: Stoppable) -> None:
    """Wait for a child that was asked to end; terminate it when it does not, and kill it then."""
    for seconds, send in ((GRACE_SECONDS, process.terminate), (TERM_SECONDS, process.kill)):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            return
        with suppress(ProcessLookupError):
            send()
    await process.wait()


async def close_stdin(process: Process) -> None:
    """End a child that reads its input to the end: close that, and `finish` it where it goes on all the same."""
    assert process.stdin is not None
    process.stdin.close()
    if process.returncode is None:
        await finish(process)


# --- outputs kept -----------------------------------------------------------------------------------


class Capture(asyncio.SubprocessProtocol):
    """A child whose outputs are kept in memory.

    Not asyncio's Process: after the end of the child that waits for its pipes to close, and an ssh that shares a
    connection has handed them to the master, which keeps them open as long as the command there runs.
    """

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._news = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep what the child writes."""
        (self.stderr if fd == 2 else self.stdout).extend(data)
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The child has ended, and its pipes are closed."""
        self._news.set()
        if not self._ended.done():
            self._ended.set_result(None)

    async def news(self) -> bool:
        """Wait for more output; false when there will be none."""
        self._news.clear()
        if not self._ended.done():
            await self._news.wait()
        return not self._ended.done()

    async def ended(self) -> None:
        """Wait for the child's end and the last of its output."""
        await asyncio.shield(self._ended)


async def terminate(transport: asyncio.SubprocessTransport, capture: Capture) -> None:
    """Give a child that is given up the time to end by itself."""
    with suppress(ProcessLookupError, TimeoutError):
        transport.terminate()
        await asyncio.wait_for(capture.ended(), TERM_SECONDS)


async def complete(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    group: int | None = None,
    give_up: Callable[[asyncio.SubprocessTransport, Capture], Awaitable[None]] = terminate,
) -> Completed:
    """Run a child to its end.

    Args:
        argv: The program and its arguments.
        stdin: What it reads; None: nothing.
        seconds: Its bound.
        env: Its environment; None: ours.
        cwd: Where it runs; None: here.
        group: As in `start`.
        give_up: What is done before it is killed, when the bound is reached or this is cancelled.

    Raises:
        TimeoutError: It did not end in time, and has been ended.
        OSError: It cannot be started.
    """
    transport, capture = await asyncio.get_running_loop().subprocess_exec(
        Capture,
        *argv,
        stdin=DEVNULL if stdin is None else PIPE,
        env=env,
        cwd=cwd,
        start_new_session=group is None,
        process_group=group,
    )
    try:
        _feed(transport, stdin)
        async with asyncio.timeout(seconds):
            await capture.ended()
    except BaseException:
        await give_up(transport, capture)
        raise
    finally:
        transport.close()  # kills it if it still runs
    return Completed(
        tuple(argv), transport.get_returncode() or 0, bytes(capture.stdout), bytes(capture.stderr)
    )


def _feed(transport: asyncio.SubprocessTransport, stdin: bytes | None) -> None:
    """Write a child's input, all of it, and its end."""
    pipe = transport.get_pipe_transport(0) if stdin is not None else None
    if isinstance(pipe, asyncio.WriteTransport) and stdin is not None:
        pipe.write(stdin)
        pipe.write_eof()


# --- lines while it runs ----------------------------------------------------------------------------


@asynccontextmanager
async def lines_of(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> AsyncIterator[tuple[AsyncIterator[str], Process]]:
    """Run a child; gives its lines (both outputs, merged in order) and the process. See `complete`.

    When the block is left while it still runs, it is interrupted, then terminated, then killed, and so are its
    own children. So they are when we are killed ourselves: a guard sees to it, which outlives us for that.

    Raises:
        OSError: It cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=DEVNULL if stdin is None else PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )
    feeding = asyncio.create_task(_write(process.stdin, stdin))
    guard: Process | None = None
    try:
        guard = await _guard(process)
        yield _lines(process), process
    finally:
        feeding.cancel()
        await asyncio.shield(_end(process))
        if guard is not None:
            await asyncio.shield(_dismiss(guard))


async def _guard(process: Process) -> Process:
    """A shell that holds one end of a pipe: when we, at the other end, are gone, it ends the child's process group."""
    waits = (str(number) for number in (process.pid, INTERRUPT_SECONDS, TERM_SECONDS))
    return await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _GUARD, "ftl-guard", *waits),  # PATH may hold nothing but the child's program
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
    )


async def _dismiss(guard: Process) -> None:
    with suppress(ProcessLookupError):
        guard.kill()
    await guard.wait()


async def _write(pipe: asyncio.StreamWriter | None, content: bytes | None) -> None:
    """Write all of a child's input; one that goes away early says why by itself."""
    if pipe is not None and content is not None:
        with suppress(BrokenPipeError, ConnectionResetError):
            pipe.write(content)
            await pipe.drain()
        pipe.close()


async def _lines(process: Process) -> AsyncIterator[str]:
    """Lines of any length; only a newline ends one: a carriage return overwrites it."""
    assert process.stdout is not None
    pending = b""
    while chunk := await process.stdout.read(_CHUNK):
        *whole, pending = (pending + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    if pending:
        yield pending.decode(errors="replace")


async def _end(process: Process) -> None:
    """End a child's whole process group, if it still runs."""
    for number, seconds in (
        (signal.SIGINT, INTERRUPT_SECONDS),
        (signal.SIGTERM, TERM_SECONDS),
        (signal.SIGKILL, TERM_SECONDS),
    ):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _drain(process)


async def _drain(process: Process) -> None:
    """Wait for the end while reading on: a child that cannot write cannot end."""
    assert process.stdout is not None
    while await process.stdout.read(_CHUNK):
        pass
    await process.wait()
