"""Child processes that never outlive FTL: bounded waits, then a cascade of signals.

There are three ways to run one: `complete` waits for its end and returns its output, `lines_of` yields its lines while
it runs, `start` leaves its pipes to the caller. Each child leads a separate session, so that Ctrl-C at the terminal
reaches it only through FTL. A child that has ended is over a second later, even if it left a process in the background
that has its pipes: `sleep 9999 & echo done` ends like `echo done`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from ftl.common.command_result import CommandResult
from ftl.common.lines import LineSplitter
from ftl.dataclass import dataclass
from ftl.spawn import Capture, ProcessStreams, signal_group, spawn, start_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

INTERRUPT_SECONDS = 5.0
"""Grace period after SIGINT, in seconds: a builder then tells the engine to give up."""

GRACE_SECONDS = 3.0
TERM_SECONDS = 2.0
"""Grace periods in seconds: before SIGTERM, then before SIGKILL."""

_CHUNK = 64 * 1024

# $1: process group; $2, $3: seconds. A signal to a group that has ended fails, which stops the chain.
_GUARD = """
read -r _
kill -s INT -- "-$1" && sleep "$2" && kill -s TERM -- "-$1" && sleep "$3" && kill -s KILL -- "-$1"
"""


@dataclass(frozen=True, slots=True)
class Completed(CommandResult):
    """Exit status and output of a command."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes


class ChildTimeout(CommandResult, TimeoutError):
    """A child did not end in time, and was killed.

    Attributes:
        stderr: What it had written there by then.
    """

    exit_code = -signal.SIGKILL
    stdout = b""

    def __init__(self, seconds: float, stderr: bytes) -> None:
        self.stderr = stderr
        super().__init__(": ".join(filter(None, (f"it did not end within {seconds:g} s", self.complaint))))

    @property
    def _status(self) -> str:
        """Nothing: the signal that ended it says nothing."""
        return ""


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


async def start(argv: Sequence[str]) -> Process:
    """Start a child with pipes; the caller must `stop` it."""
    return await start_process(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, session=True)


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


async def terminate(transport: asyncio.SubprocessTransport, capture: Capture) -> None:
    """Terminate a child and give it time to end."""
    with suppress(ProcessLookupError, TimeoutError):
        transport.terminate()
        await asyncio.wait_for(capture.ended(), TERM_SECONDS)


async def terminate_session(transport: asyncio.SubprocessTransport, capture: Capture) -> None:
    """Terminate a child that leads a session, with its own children; kill those that do not end."""
    leader = transport.get_pid()
    signal_group(leader, signal.SIGTERM)
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(capture.ended(), TERM_SECONDS)
    finally:
        signal_group(
            leader, signal.SIGKILL
        )  # the child has ended, but not one of its own that ignores SIGTERM


async def complete(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    group: int | None = None,
    limit: int | None = None,
    give_up: Callable[[asyncio.SubprocessTransport, Capture], Awaitable[None]] = terminate_session,
) -> Completed:
    """Run a child, wait for its end and capture its output.

    Args:
        argv: The program and its arguments.
        stdin: Its input; None: an empty one.
        seconds: Time limit.
        env: Its environment; None: FTL's.
        cwd: Its working folder; None: FTL's.
        group: The process group that it joins, to be ended with that; None: a separate session.
        limit: Bytes of output, and of messages, that are captured; what comes after is dropped. None: all.
        give_up: Called before it is killed, after the time limit or a cancellation.

    Raises:
        ChildTimeout: It did not end in time, and was killed.
        OSError: It cannot be started.
    """
    transport, capture = await spawn(
        lambda: Capture(closes_pipes=group is None, limit=limit),
        argv,
        stdin=DEVNULL if stdin is None else PIPE,
        env=env,
        cwd=cwd,
        session=group is None,
        group=group,
    )
    try:
        _feed(transport, stdin)
        async with asyncio.timeout(seconds):
            await capture.ended()
    except BaseException as error:
        late = ChildTimeout(seconds, bytes(capture.stderr)) if isinstance(error, TimeoutError) else None
        await give_up(transport, capture)
        if late is not None:
            raise late from None
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
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = DEVNULL,
) -> AsyncIterator[tuple[AsyncIterator[str], Process]]:
    """Run a child; yields its lines (stdout and stderr, merged in order) and the process.

    Lines have a bounded length (`MAX_LINE`).

    When the block is left while it still runs, it is interrupted, then terminated, then killed, together with its
    children. The same happens when FTL itself is killed: a guard process, which outlives FTL, does that. For the
    arguments see `complete`; `stdin` is an open file.

    Raises:
        OSError: It cannot be started.
    """
    transport, streams = await spawn(
        ProcessStreams,
        argv,
        stdin=stdin,
        stderr=STDOUT,
        env=env,
        cwd=cwd,
        session=True,
    )
    process = Process(transport, streams, asyncio.get_running_loop())
    guard: Process | None = None
    try:
        guard = await _guard(process)
        yield _lines(process), process
    finally:
        await asyncio.shield(_end(process))
        if guard is not None:
            await asyncio.shield(_dismiss(guard))


async def _guard(process: Process) -> Process:
    """Start a shell at the end of a pipe: when FTL, at the other end, dies, it ends the child's process group."""
    waits = (str(number) for number in (process.pid, INTERRUPT_SECONDS, TERM_SECONDS))
    return await start_process(
        ("/bin/sh", "-c", _GUARD, "ftl-guard", *waits),  # PATH may have nothing but the child's program
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=DEVNULL,
        session=True,
    )


async def _dismiss(guard: Process) -> None:
    with suppress(ProcessLookupError):
        guard.kill()
    await guard.wait()


async def _lines(process: Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    splitter = LineSplitter()
    while chunk := await process.stdout.read(_CHUNK):
        for line in splitter.feed(chunk):
            yield line.decode(errors="replace")
    if splitter.has_rest:
        yield splitter.rest().decode(errors="replace")


async def _end(process: Process) -> None:
    """End a child's process group, if the child still runs."""
    signalled = False
    for number, seconds in (
        (signal.SIGINT, INTERRUPT_SECONDS),
        (signal.SIGTERM, TERM_SECONDS),
        (signal.SIGKILL, TERM_SECONDS),
    ):
        if process.returncode is not None:
            break
        signalled = True
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _drain(process)
    if signalled:
        # What a shell has in the background ignores SIGINT (POSIX, 2.11), which ended the shell itself.
        signal_group(process.pid, signal.SIGKILL)


async def _drain(process: Process) -> None:
    """Read on until it has ended: a child that cannot write cannot end."""
    assert process.stdout is not None
    while await process.stdout.read(_CHUNK):
        pass
    await process.wait()
