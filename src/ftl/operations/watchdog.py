"""Watchdog on a server: ends commands of an FTL that is gone.

The engine never ends a command whose client is gone (moby issue 9098), so a script on the server does: it gets
heartbeats, and acts when they stop.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ftl.aio import cancel
from ftl.common.programs import program
from ftl.errors import FtlError, ServerError
from ftl.locks.script_lines import NO_LOCK
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from ftl.locks.script_lines import ScriptLock
    from ftl.ssh.machine import Machine

READY_SECONDS = 30.0
HEARTBEAT = 5.0
HEARTBEAT_TIMEOUT = 30
"""Seconds between heartbeats, and until a missing one makes the watchdog act."""


class Heartbeats:
    """Heartbeats sent to a watchdog, by a clock that also counts while this machine sleeps."""

    def __init__(self) -> None:
        self._last = _now()
        self._pause = 0.0

    def beat(self) -> None:
        """Count one."""
        self._pause = max(self._pause, _now() - self._last)
        self._last = _now()

    @property
    def paused(self) -> bool:
        """Whether the watchdog has acted: none was sent, as this machine slept or FTL was stopped."""
        return max(self._pause, _now() - self._last) > HEARTBEAT_TIMEOUT


def _now() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # of Linux
    return time.clock_gettime(clock) if clock is not None else time.time()


@asynccontextmanager
async def watched(
    machine: Machine, kind: str, container: str, limit: str, *, lock: ScriptLock = NO_LOCK
) -> AsyncIterator[Heartbeats]:
    """Have the server end a command or remove a container if this block fails, or FTL is gone.

    A watchdog of kind "exec" ends a command in a container, by its token, as a closed terminal does; "tool" one that
    cleans up after SIGTERM; "run" removes a container, after `limit` seconds at the latest; "detached" removes one that
    was not started. Neither the watchdog's begin nor its end is awaited, which would cost round trips: its session is
    asked for first, and without the last word it finds out by itself that the command has ended. Its begin is awaited
    where it keeps a lock: what the command changes must not be touched by others as long as it runs. The machine has
    been asked for its engine's URL. The heartbeats are those of the block.

    Raises:
        ServerError: The lock cannot be kept.
    """
    heartbeats = Heartbeats()
    script = program("ftl.locks", "lock_file.sh") + program(__package__, "watchdog.sh")
    given = (str(HEARTBEAT_TIMEOUT), kind, container, limit)
    argv = docker_script(machine, script, "ftl-guard", *given)
    starting = asyncio.create_task(_start(machine, argv, lock))
    beating = asyncio.create_task(_beat(starting, heartbeats))
    await asyncio.sleep(0)  # it starts now
    try:
        if lock.key:
            await _await_lock(machine, await asyncio.shield(starting))
        yield heartbeats
        with suppress(FtlError, ConnectionError):
            _stdin(await starting).write(b"done\n")
    finally:
        await cancel(beating, starting)
        if not starting.cancelled() and starting.exception() is None:
            _stdin(starting.result()).close()


async def _await_lock(machine: Machine, process: Process) -> None:
    assert process.stdout is not None
    answer = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_SECONDS):
            answer = await process.stdout.readline()
    if answer != b"ready\n":
        cause = answer.decode("utf-8", "replace").strip().removeprefix("failed ")
        raise ServerError(f"{machine.name} cannot keep the deploy lock", cause=cause or "it does not answer")


async def _start(machine: Machine, argv: list[str], lock: ScriptLock) -> Process:
    """Start the watchdog with its first lines: "done" may follow before there is a heartbeat."""
    process = await machine.start(argv)
    with suppress(ConnectionError):
        _stdin(process).write(lock.lines)
    return process


async def _beat(starting: asyncio.Task[Process], heartbeats: Heartbeats) -> None:
    """Send heartbeats; a connection that is lost shows in the attached command."""
    with suppress(FtlError, ConnectionError):
        process = await asyncio.shield(starting)
        while process.returncode is None:
            _stdin(process).write(b"beat\n")
            await _stdin(process).drain()
            heartbeats.beat()
            await asyncio.sleep(HEARTBEAT)


def _stdin(process: Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin
