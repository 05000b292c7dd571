"""Run a script on the server with its docker CLI pinned to the engine that FTL uses.

Left to itself, the CLI may follow a context, a variable or a socket that leads to another engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.programs import program, shell

if TYPE_CHECKING:
    from ftl.ssh.machine import Machine

NO_DOCKER = 127
"""Exit status where the server has no docker command: the shell's own for a missing command."""


def docker_script(machine: Machine, script: str, name: str, *arguments: str) -> list[str]:
    """Command line for a script in which `docker` speaks to the machine's engine.

    The script is a constant, `arguments` its $1 and so on, `name` what process lists show. The engine's URL has been
    asked for.
    """
    prelude = program("ftl.proxy", "scripts/docker.sh")
    return shell(prelude + script, name, machine.engine_socket, *arguments)
