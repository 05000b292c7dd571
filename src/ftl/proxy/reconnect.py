"""Reconnect the proxy to a network under other aliases, as one action of the server.

Docker cannot add an alias to an existing endpoint, so the proxy has to be disconnected and connected again. Between
two API calls FTL may be interrupted (`kill -9`, a lost connection). One script that uses the server's own docker
command does both, and is completed even if FTL is interrupted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.errors import ServerError
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.engine.values import Endpoint
    from ftl.ssh.machine import Machine

_SECONDS = 60.0


async def reconnect(machine: Machine, container: str, endpoint: Endpoint, aliases: Iterable[str]) -> bool:
    """Reconnect a container to a network at the same address under other aliases.

    `aliases` are all that it has from now on.

    Returns:
        False where the server's docker command failed, or there is none.

    Raises:
        ServerError: No answer in time. The server may still be at it, so the caller must not do it too.
    """
    options = [word for alias in sorted(aliases) for word in ("--alias", alias)]
    arguments = [container, endpoint.network_id, endpoint.address, *options]
    argv = docker_script(machine, program("ftl.proxy", "scripts/reconnect.sh"), "ftl-join", *arguments)
    try:
        done = await machine.run(argv, timeout=_SECONDS)
    except ServerError as error:
        raise ServerError(
            f"{machine.name} did not confirm that the proxy was reconnected to the network {endpoint.network}",
            cause=error.message,
            hint=f"run {ftl('deploy')} again when the engine there answers, to finish the rest",
        ) from error
    return done.exit_code == 0
