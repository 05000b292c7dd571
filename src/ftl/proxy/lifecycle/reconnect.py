"""Leaving a network and joining it again as one action of the server, which goes on without us.

Docker adds no name to an endpoint, so the proxy has to leave. Between two calls of ours anything may happen to us:
a `kill -9`, a cable that is pulled. So the server is told once, by its own docker command, and does both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import ServerError
from ftl.proxy.lifecycle.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.engine.values import Endpoint
    from ftl.ssh.machine import Machine

_SECONDS = 60.0

# $1: container, $2: network, $3: address; the rest: options that name the aliases. Deaf to what ends a session; its
# output has a reader no longer when we are gone.
_JOIN_AGAIN = """
trap '' HUP INT TERM PIPE
container=$1 network=$2 address=$3
shift 3
said=$(docker network disconnect --force "$network" "$container" 2>&1) || { echo "$said" >&2; exit 1; }
said=$(docker network connect --ip "$address" "$@" "$network" "$container" 2>&1) && exit
# The address was taken, or the network was made without an explicit subnet: any address will do.
said=$(docker network connect "$@" "$network" "$container" 2>&1) || { echo "$said" >&2; exit 1; }
"""


async def reconnect(machine: Machine, container: str, place: Endpoint, aliases: Iterable[str]) -> bool:
    """Have a container leave a network and join it at the same address under other names.

    Args:
        machine: The server.
        container: Its ID.
        place: Where it is now.
        aliases: All the names that it shall have there.

    Returns:
        False where the server's docker command did not do it, or there is none.

    Raises:
        ServerError: It was not done in time. The server may still be at it, so nobody else should.
    """
    options = [word for alias in sorted(aliases) for word in ("--alias", alias)]
    argv = docker_script(
        machine, _JOIN_AGAIN, "ftl-join", container, place.network_id, place.address, *options
    )
    try:
        done = await machine.run(argv, timeout=_SECONDS)
    except ServerError as error:
        raise ServerError(
            f"the proxy leaves the network {place.network} and joins it again, but {machine.name} does not say that "
            "it has",
            cause=error.message,
            hint="`ftl deploy` again when the engine there answers: what is left is then done",
        ) from error
    return done.exit_code == 0
