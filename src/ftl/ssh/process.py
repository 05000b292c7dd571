"""Child processes that end: bounded waits, and a cascade of signals for those that do not go by themselves."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.ssh.machine import Completed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

# Seconds that a child gets between being asked, told and killed.
ASKED = 3.0
TOLD = 2.0

# Bytes that a reader buffers: a line of JSON or base64 may be long.
READ_LIMIT = 1 << 20


async def finish(process: Process) -> None:
    """Wait for a child that was asked to end; terminate it when it does not, and kill it then."""
    for seconds, signal in ((ASKED, process.terminate), (TOLD, process.kill)):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            return
        with suppress(ProcessLookupError):
            signal()
    await process.wait()


async def stop(process: Process) -> None:
    """Terminate a child, kill it when that does not help, and wait for its end."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        await finish(process)


async def start(argv: Sequence[str]) -> Process:
    """Start a child with pipes, out of reach of the terminal's Ctrl-C: it is ours to end."""
    return await asyncio.create_subprocess_exec(
        *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=READ_LIMIT, start_new_session=True
    )


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
        await asyncio.wait_for(capture.ended(), TOLD)


async def complete(
    argv: Sequence[str],
    *,
    stdin: bytes | None,
    seconds: float,
    give_up: Callable[[asyncio.SubprocessTransport, Capture], Awaitable[None]] = terminate,
) -> Completed:
    """Run a child to its end.

    Args:
        argv: The program and its arguments.
        stdin: What it reads; None: nothing.
        seconds: Its bound.
        give_up: What is done before it is killed, when the bound is reached or this is cancelled.

    Raises:
        TimeoutError: It did not end in time, and has been ended.
        FileNotFoundError: There is no such program.
    """
    transport, capture = await asyncio.get_running_loop().subprocess_exec(
        Capture, *argv, stdin=DEVNULL if stdin is None else PIPE, start_new_session=True
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
