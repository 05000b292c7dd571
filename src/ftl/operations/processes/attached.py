"""Commands in containers that are attached to FTL's terminal or pipes, and end with it.

The docker CLI on the server does the work, over the system's ssh: terminals, window sizes and pipes are theirs. A
watchdog on the server ends the command when we are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.errors import EngineError
from ftl.events import Note
from ftl.operations.watchdog import HEARTBEAT_TIMEOUT, watched
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl.events import Emit
    from ftl.ssh.machine import Machine


async def attach(
    machine: Machine,
    script: str,
    name: str,
    *arguments: str,
    terminal: bool,
    watchdog: tuple[str, ...],
    emit: Emit,
    prepare: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Run a script of this package that attaches to a container; returns its exit status.

    The name is what process lists show. `watchdog` has the kind, container, and token or time to live for `watched`;
    `prepare` is called under the watchdog, before the script. A note says so where the watchdog has ended the command,
    since this machine slept. The machine has been asked for its engine's URL.
    """
    async with watched(machine, *watchdog) as heartbeats:
        if prepare is not None:
            await prepare()
        status = await machine.attach(_command(machine, script, name, *arguments), terminal=terminal)
        if status and heartbeats.paused:
            emit(
                Note(
                    f"{machine.name} ended the command: no heartbeat from this machine for {HEARTBEAT_TIMEOUT} s",
                    hint=f"{ftl('run -d')} starts one that keeps running without this machine",
                )
            )
        return status


async def detach(machine: Machine, script: str, name: str, *arguments: str) -> int:
    """Run a script of this package that starts a container and leaves it running.

    Raises:
        EngineError: The docker CLI refused, with its message.
    """
    done = await machine.run(_command(machine, script, name, *arguments))
    done.require(f"the engine on {machine.name} could not start the container", error=EngineError)
    return done.exit_code


def _command(machine: Machine, script: str, name: str, *arguments: str) -> list[str]:
    return docker_script(machine, program(__package__, script), name, *arguments)
