"""Child processes that never outlive FTL: bounded waits, then a cascade of signals.

There are three ways to run one: `complete` waits for its end and returns its output, `lines_of` yields its lines while
it runs, `start` leaves its pipes to the caller. Each child leads a separate session, so that Ctrl-C at the terminal
reaches it only through FTL.
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
"""Grace period after SIGINT, in seconds: a builder then tells the engine to give up."""

GRACE_SECONDS = 3.0
TERM_SECONDS = 2.0
"""Grace periods in seconds: before SIGTERM, then before SIGKILL."""

READ_LIMIT = 1 << 20
"""Buffer size of a reader in bytes: a line of JSON or base64 may be long."""

_CHUNK = 64 * 1024

# $1: process group; $2, $3: seconds. A signal to a group that has ended fails, which stops the chain.
_GUARD = """
read -r _
kill -s INT -- "-$1" && sleep "$2" && kill -s TERM -- "-$1" && sleep "$3" && kill -s KILL -- "-$1"
"""


@dataclass(frozen=True, slots=True)
class Completed:
    """Exit status and output of a command."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes


class Stoppable(Protocol):
    """A process that can be ended: asyncio's `Process`, or one with the same methods."""

    @property
    def returncode(self) -> int | None:
        """Exit status; None while it is not known to have ended."""
        ...

    def terminate(self) -> None:
        """Send SIGTERM."""
        ...

    def kill(self) -> None:
        """Send SIGKILL."""
        ...

    async def wait(self) -> int:
        """Wait until it has ended."""
        ...


# --- pipes left to the caller -----------------------------------------------------------------------


async def start(argv: Sequence[str], *, group: int | None = None) -> Process:
    """Start a child with pipes; the caller must `stop` it.

    Args:
        argv: The program and its arguments.
        group: The process group that it joins, to be ended with that; None: a separate session.
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
    """Terminate a child, kill it if it does not end, and wait until it has ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        await finish(process)


async def finish(process: Stoppable) -> None:
    """Wait for a child that was asked to end; then terminate it, then kill it."""
    for seconds, send in ((GRACE_SECONDS, process.terminate), (TERM_SECONDS, process.kill)):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            return
        with suppress(ProcessLookupError):
            send()
    await process.wait()


async def close_stdin(process: Process) -> None:
    """Close the stdin of a child that ends at end of file, and `finish` it."""
    assert process.stdin is not None
    process.stdin.close()
    if process.returncode is None:
        await finish(process)


# --- captured output --------------------------------------------------------------------------------


class Capture(asyncio.SubprocessProtocol):
    """Captures a child's output in memory.

    Not asyncio's Process: after the child has ended, that waits for its pipes to close. An ssh that shares a connection
    has passed them to the master process, which keeps them open as long as the command on the server runs.
    """

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._news = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Store output of the child."""
        (self.stderr if fd == 2 else self.stdout).extend(data)
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the child has ended and its pipes are closed."""
        self._news.set()
        if not self._ended.done():
            self._ended.set_result(None)

    async def news(self) -> bool:
        """Wait for more output; false if there will be none."""
        self._news.clear()
        if not self._ended.done():
            await self._news.wait()
        return not self._ended.done()

    async def ended(self) -> None:
        """Wait until the child has ended and all its output is stored."""
        await asyncio.shield(self._ended)


async def terminate(transport: asyncio.SubprocessTransport, capture: Capture) -> None:
    """Terminate a child and give it time to end."""
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
    """Run a child, wait for its end and capture its output.

    Args:
        argv: The program and its arguments.
        stdin: Its input; None: an empty one.
        seconds: Time limit.
        env: Its environment; None: FTL's.
        cwd: Its working folder; None: FTL's.
        group: As in `start`.
        give_up: Called before it is killed, after the time limit or a cancellation.

    Raises:
        TimeoutError: It did not end in time, and was killed.
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
    """Write all of a child's input and close it."""
    pipe = transport.get_pipe_transport(0) if stdin is not None else None
    if isinstance(pipe, asyncio.WriteTransport) and stdin is not None:
        pipe.write(stdin)
        pipe.write_eof()


# --- lines of a running child -----------------------------------------------------------------------


@asynccontextmanager
async def lines_of(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> AsyncIterator[tuple[AsyncIterator[str], Process]]:
    """Run a child; yields its lines (stdout and stderr, merged in order) and the process.

    When the block is left while it still runs, it is interrupted, then terminated, then killed, together with its
    children. The same happens when FTL itself is killed: a guard process, which outlives FTL, does that. For the
    arguments see `complete`.

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
    """Start a shell at the end of a pipe: when FTL, at the other end, dies, it ends the child's process group."""
    waits = (str(number) for number in (process.pid, INTERRUPT_SECONDS, TERM_SECONDS))
    return await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _GUARD, "ftl-guard", *waits),  # PATH may have nothing but the child's program
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
    """Write all of a child's input; one that ends before has its own message."""
    if pipe is not None and content is not None:
        with suppress(BrokenPipeError, ConnectionResetError):
            pipe.write(content)
            await pipe.drain()
        pipe.close()


async def _lines(process: Process) -> AsyncIterator[str]:
    """Split lines of any length at newlines only: a carriage return overwrites a line."""
    assert process.stdout is not None
    pending = b""
    while chunk := await process.stdout.read(_CHUNK):
        *complete_lines, pending = (pending + chunk).split(b"\n")
        for line in complete_lines:
            yield line.decode(errors="replace")
    if pending:
        yield pending.decode(errors="replace")


async def _end(process: Process) -> None:
    """End a child's process group, if it still runs."""
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
    """Read on until it has ended: a child that cannot write cannot end."""
    assert process.stdout is not None
    while await process.stdout.read(_CHUNK):
        pass
    await process.wait()
