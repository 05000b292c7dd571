"""Commands in containers that are attached to FTL's terminal or pipes, and end with it.

The docker CLI on the server does the work, over the system's ssh: terminals, window sizes and pipes are theirs. The
engine never ends a command whose client is gone (moby issue 9098), so a guard on the server does: it gets heartbeats,
and ends the command when they stop.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ftl.errors import EngineError, FtlError
from ftl.programs import program
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ftl.ssh.machine import Machine

HEARTBEAT = 5.0
PATIENCE = 30
"""Seconds between heartbeats, and until a missing one ends the command."""


async def attach(
    machine: Machine,
    script: str,
    name: str,
    *arguments: str,
    terminal: bool,
    guard: tuple[str, ...],
    prepare: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Run a script of this package that attaches to a container; returns its exit status.

    Args:
        machine: The server; its engine's URL has been asked for.
        script: Its file.
        name: The name that process lists show.
        arguments: The script's.
        terminal: Whether it gets a terminal.
        guard: The kind, container, and token or time to live for the guard.
        prepare: Called under the guard, before the script.
    """
    async with _guarded(machine, guard):
        if prepare is not None:
            await prepare()
        return await machine.attach(_command(machine, script, name, *arguments), terminal=terminal)


async def detach(machine: Machine, script: str, name: str, *arguments: str) -> int:
    """Run a script of this package that starts a container and leaves it running.

    Raises:
        EngineError: The docker CLI refused, with its message.
    """
    done = await machine.run(_command(machine, script, name, *arguments))
    if done.exit_code:
        raise EngineError(
            f"the engine on {machine.name} could not start the container",
            cause=done.stderr.decode(errors="replace").strip() or f"exit status {done.exit_code}",
        )
    return done.exit_code


def _command(machine: Machine, script: str, name: str, *arguments: str) -> list[str]:
    return docker_script(machine, program(__package__, script), name, *arguments)


@asynccontextmanager
async def _guarded(machine: Machine, arguments: tuple[str, ...]) -> AsyncIterator[None]:
    """End the command on the server when this block is left by an error, or we are gone.

    Neither the guard's begin nor its end is awaited, which would cost round trips: its session is asked for first, and
    without the last word it finds out by itself that the command has ended.
    """
    starting = asyncio.create_task(
        machine.start(_command(machine, "guard.sh", "ftl-guard", str(PATIENCE), *arguments))
    )
    beating = asyncio.create_task(_beat(starting))
    await asyncio.sleep(0)  # it starts now
    try:
        yield
        with suppress(FtlError, ConnectionError):
            _stdin(await starting).write(b"done\n")
    finally:
        for task in (beating, starting):
            task.cancel()
        await asyncio.wait({beating, starting})
        if not starting.cancelled() and starting.exception() is None:
            _stdin(starting.result()).close()


async def _beat(starting: asyncio.Task[Process]) -> None:
    """Send heartbeats; a connection that is lost shows in the attached command."""
    with suppress(FtlError, ConnectionError):
        process = await asyncio.shield(starting)
        while process.returncode is None:
            _stdin(process).write(b"beat\n")
            await _stdin(process).drain()
            await asyncio.sleep(HEARTBEAT)


def _stdin(process: Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin
