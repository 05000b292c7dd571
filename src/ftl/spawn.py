"""Start of child processes, their output, and their end with the event loop.

A child is reaped by asyncio's child watcher alone. `Popen.poll` reaps, too, and asyncio calls it for each signal and
for `close` (Python 3.11 to 3.13): for a child that has just ended it takes the status away from the watcher, which
then prints "Unknown child process pid N, will report returncode 255", and the command counts as failed. So a child
that is started here has a `poll` that only repeats what the watcher has found.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from ftl.aio import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from subprocess import Popen
    from typing import IO

P = TypeVar("P", bound=asyncio.SubprocessProtocol)

PIPE_SECONDS = 1.0
"""Time from a child's end to the end of its output, in seconds.

Its own children may keep the pipes open for ever.
"""

END_SECONDS = 2.0
"""Time for the children that are killed before the event loop is closed, in seconds."""

READ_LIMIT = 1 << 20
"""Buffer size of a reader in bytes: a line of JSON or base64 may be long."""

_children: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[asyncio.SubprocessTransport]] = (
    WeakKeyDictionary()
)


async def spawn(
    protocol: Callable[[], P],
    argv: Sequence[str],
    *,
    stdin: int | None = PIPE,
    stdout: int | None = PIPE,
    stderr: int | IO[bytes] | None = PIPE,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    session: bool = False,
    group: int | None = None,
) -> tuple[asyncio.SubprocessTransport, P]:
    """Start a child, and end it again if a cancellation comes meanwhile.

    It inherits no open file but those of its three streams.

    asyncio's own calls, cancelled at that moment, wait until the child's pipes are closed (Python 3.11): for ever where
    the child has left them to a process of its own, as ssh leaves them to the program of a `Match exec`.

    Args:
        protocol: Makes the object that gets its output.
        argv: The program and its arguments.
        stdin: Its input, as `asyncio.create_subprocess_exec` takes it.
        stdout: Its output, in the same way.
        stderr: Its messages, in the same way.
        env: Its environment; None: FTL's.
        cwd: Its working folder; None: FTL's.
        session: Whether it leads a separate session.
        group: The process group that it joins.

    Raises:
        OSError: It cannot be started.
    """
    started: list[tuple[asyncio.SubprocessTransport, P]] = []

    async def begin() -> None:
        new = await asyncio.get_running_loop().subprocess_exec(
            protocol,
            *argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            start_new_session=session,
            process_group=group,
        )
        _watch(new[0])
        started.append(new)

    try:
        await shielded(begin())
    except asyncio.CancelledError:
        for transport, _ in started:
            if session:
                signal_group(transport.get_pid(), signal.SIGKILL)
            transport.close()  # kills it
        raise
    return started[0]


async def start_process(
    argv: Sequence[str],
    *,
    stdin: int | None,
    stdout: int | None,
    stderr: int | None,
    session: bool = False,
    group: int | None = None,
) -> Process:
    """Start a child as asyncio's `Process`; for the arguments see `spawn`."""
    transport, streams = await spawn(
        ProcessStreams, argv, stdin=stdin, stdout=stdout, stderr=stderr, session=session, group=group
    )
    return Process(transport, streams, asyncio.get_running_loop())


def _watch(transport: asyncio.SubprocessTransport) -> None:
    """Leave a child's reaping to asyncio's watcher, and its end to `end_children` at the latest."""
    process: Popen[bytes] = transport.get_extra_info("subprocess")
    process.poll = lambda: process.returncode  # type: ignore[method-assign]
    _children.setdefault(asyncio.get_running_loop(), WeakSet()).add(transport)


async def end_children() -> None:
    """Kill this event loop's children that still run, and close the pipes of all; bounded.

    To be called before the loop is closed: a transport that is open then prints a traceback when it is collected, and
    the watcher of a child that ends later complains, too.
    """
    transports = list(_children.get(asyncio.get_running_loop(), ()))
    for transport in transports:
        transport.close()  # kills it if it still runs
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            # There is no public way to wait for a transport, only for a Process.
            while any(transport.get_returncode() is None for transport in transports):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


def signal_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to the process group of a child that leads one."""
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of processes that have ended
        os.killpg(leader, number)


class ProcessStreams(SubprocessStreamProtocol):
    """The pipes of an asyncio `Process`, which are closed soon after its end."""

    def __init__(self, limit: int = READ_LIMIT) -> None:
        super().__init__(limit=limit, loop=asyncio.get_running_loop())
        self._child: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the child's transport."""
        self._child = transport
        super().connection_made(transport)

    def process_exited(self) -> None:
        """Close the pipes, if nobody does before."""
        super().process_exited()
        assert self._child is not None
        asyncio.get_running_loop().call_later(PIPE_SECONDS, self._child.close)


class Capture(asyncio.SubprocessProtocol):
    """Captures a child's output in memory.

    Not asyncio's Process: after the child has ended, that waits for its pipes to close. An ssh that shares a connection
    has passed them to the master process, which keeps them open as long as the command on the server runs.

    Args:
        closes_pipes: Whether they are closed soon after the child's end.
        limit: Bytes of each stream after which its output is dropped.

    Attributes:
        exited: Time of the child's end, by the loop's clock; its output may still come.
    """

    def __init__(self, *, closes_pipes: bool = False, limit: int | None = None) -> None:
        self.stdout = bytearray()
        self.exited: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._closes_pipes = closes_pipes
        self._limit = limit
        self._child: asyncio.BaseTransport | None = None
        self.stderr = bytearray()
        self._news = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the child's transport."""
        self._child = transport

    def process_exited(self) -> None:
        """Close the pipes, if nobody does before."""
        self.exited.set_result(asyncio.get_running_loop().time())
        if self._closes_pipes:
            assert self._child is not None
            asyncio.get_running_loop().call_later(PIPE_SECONDS, self._child.close)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Store output of the child."""
        captured = self.stderr if fd == 2 else self.stdout
        if self._limit is None or len(captured) < self._limit:
            captured.extend(data)
        self._news.set()

    def connection_lost(self, _exc: Exception | None) -> None:
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
