"""Scripts that a server runs by itself with its own docker command, which is told whose engine is meant.

By itself it might go by a context, a variable or a socket that is another engine's than the one that serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.ssh.machine import Machine

NO_DOCKER = 127
"""Exit status where the server has no docker command: a shell's own for one that it does not find."""

# $1: the engine's socket; empty: the command finds the engine as we found it.
_DOCKER = """
command -v docker >/dev/null || exit 127
socket=$1
shift
docker() { command docker ${socket:+--host "unix://$socket"} "$@"; }
"""


def docker_script(machine: Machine, script: str, name: str, *arguments: str) -> list[str]:
    """The command line for a script in which `docker` speaks to the machine's engine.

    Args:
        machine: Where it is run; its engine has been found.
        script: A constant.
        name: What process lists call it.
        arguments: The script's $1 and so on.
    """
    return ["sh", "-c", _DOCKER + script, name, machine.engine_socket, *arguments]
