"""Facts that a server reports on connecting: the user's name and the engine's socket.

The command that opens the connection prints them, which costs no further round trip; the same line proves that commands
can be run.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import ServerError
from ftl.ssh import quoting

_SENTINEL = "ftl-facts"

USUAL = "/var/run/docker.sock"
"""The engine's socket, unless the login names another or the engine is rootless."""


@cache
def script() -> str:
    """The program that prints them, for `sh -c`."""
    return program("ftl.ssh", "facts.sh")


def command() -> str:
    """Command line of a connection's first command, which prints them, too."""
    return quoting.line(script())


# A socket's path becomes part of ssh's -L argument, where a colon separates.
_PATH = re.compile(r"/[A-Za-z0-9_./@+-]+")


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """Facts that the command reported.

    Attributes:
        socket: The socket of an engine that this user may use; empty if there is none.
        default_exists: Whether /var/run/docker.sock exists, usable or not.
        listening: Whether a program listens on a socket of that name (/proc/net/unix, __SO_ACCEPTCON).
        noise: Output of login scripts before the facts.
        elsewhere: Engine that the login's docker command uses, if there is no socket that we may use.
    """

    user: str
    socket: str
    default_exists: bool
    installed: bool
    listening: bool
    noise: str = ""
    elsewhere: str = ""


UNKNOWN = LoginFacts("", "", default_exists=False, installed=False, listening=False)
"""Facts before the server has reported any."""


def read(line: str) -> LoginFacts | None:
    """The facts in a line of output; None for any other line (a login script's output)."""
    fields = line.rstrip("\r\n").split("\t")
    if len(fields) not in (6, 7) or fields[0] != _SENTINEL:
        return None
    _sentinel, user, socket, default, installed, listening, *host = fields
    return LoginFacts(
        user=user,
        socket=socket if _PATH.fullmatch(socket) else "",
        default_exists=bool(default),
        installed=bool(installed),
        listening=bool(listening),
        elsewhere=host[0] if host and not host[0].startswith("unix:") else "",
    )


def find(output: str) -> LoginFacts | None:
    """The facts in a command's output; None where it has none."""
    lines = output.splitlines()
    for number, facts in enumerate(map(read, lines)):
        if facts is not None:
            return replace(facts, noise="\n".join(lines[:number]).strip())
    return None


def engine_missing(facts: LoginFacts, name: str) -> ServerError:
    """The error for a server without an engine's socket that we may use: why there is none."""
    if facts.default_exists:
        return ServerError(
            f"{facts.user} may not use Docker on {name}",
            cause="permission denied for /var/run/docker.sock",
            hint=f"{ftl('setup')} adds {facts.user} to the docker group; by hand, on {name}: "
            f"`sudo usermod -aG docker {facts.user}`",
        )
    if facts.elsewhere:
        return ServerError(
            f"{facts.user} does not use a Docker engine of {name} itself",
            cause=f"its docker command uses the engine at {facts.elsewhere} (DOCKER_HOST, or `docker context`)",
            hint=f"set `server.host` to the machine that runs that engine, or "
            f"install one here: {ftl('setup')}",
        )
    if facts.installed:
        return ServerError(
            f"the Docker engine on {name} does not run",
            cause="there is no /var/run/docker.sock",
            hint=f"{ftl('setup')} starts it; by hand, on {name}: `sudo systemctl enable --now docker`; "
            "`sudo journalctl -u docker` says why it stopped",
        )
    return ServerError(
        f"Docker is not installed on {name}",
        hint=f"{ftl('setup')} installs it; by hand, on {name}: `sudo apt-get install docker.io`, then "
        f"`sudo usermod -aG docker {facts.user}`",
    )


def engine_silent(facts: LoginFacts, name: str, log: str) -> ServerError | None:
    """The error for an engine that has a socket and does not answer; None: no cause found.

    sshd refuses a forward and fails to connect to a socket with the same words ("open failed", seen on 9.2), so
    that only whether a program listens on the socket tells the two apart.

    `log` is what ssh wrote about the connection.
    """
    if not facts.listening:
        return ServerError(
            f"the Docker engine on {name} does not answer",
            cause=f"nothing listens on {facts.socket}",
            hint=f"on {name}: `sudo systemctl restart docker`; `sudo journalctl -u docker` says why it stopped",
        )
    refusals = [line for line in log.splitlines() if "open failed" in line]
    if refusals:
        return ServerError(
            f"the SSH server of {name} forwards no sockets",
            cause=refusals[-1],
            hint="set `AllowStreamLocalForwarding yes` and `AllowTcpForwarding yes` in its /etc/ssh/sshd_config",
        )
    return None
