"""What a server says about itself when it is greeted: who we are there and where its engine's socket is.

The master connection's own command prints it, so it costs no round trip of its own; the same line says that the
connection is up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ftl.errors import ServerError

_MARK = "ftl-survey"

USUAL = "/var/run/docker.sock"
"""Where the engine is, unless the login or a rootless engine's folder says otherwise."""

# No single quote, newline or exclamation mark: it has to pass any login shell as one quoted word. The sockets are
# tried in this order: the system's engine, the one the login names, a rootless one.
_SCRIPT = (
    f's=; for c in {USUAL} "${{DOCKER_HOST#unix://}}" '
    '"${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/docker.sock"; '
    'do if [ -S "$c" ] && [ -w "$c" ]; then s=$c; break; fi; done; '
    f"d=; if [ -S {USUAL} ]; then d=socket; fi; "
    "PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin:/snap/bin; "
    "e=; if command -v dockerd >/dev/null 2>&1 || command -v docker >/dev/null 2>&1; then e=engine; fi; "
    'l=; if grep -q " 00010000 .*docker.sock$" /proc/net/unix 2>/dev/null; then l=listening; fi; '
    f'printf "\\n{_MARK}\\t%s\\t%s\\t%s\\t%s\\t%s\\n" "$(id -un)" "$s" "$d" "$e" "$l"'
)

SURVEY = f"exec sh -c '{_SCRIPT}'"

# The greeting stays until its input ends, and with it the connection.
GREETING = f"exec sh -c '{_SCRIPT}; exec cat >/dev/null'"

# A socket's path becomes part of ssh's -L argument, where a colon separates.
_PATH = re.compile(r"/[A-Za-z0-9_./@+-]+")


@dataclass(frozen=True, slots=True)
class Survey:
    """What the server said.

    Attributes:
        user: Who we are there.
        socket: An engine's socket that this user may use; empty if there is none.
        default_exists: Whether /var/run/docker.sock is there, usable or not.
        installed: Whether Docker's programs are there.
        listening: Whether some program listens on a socket of that name (/proc/net/unix, __SO_ACCEPTCON).
    """

    user: str
    socket: str
    default_exists: bool
    installed: bool
    listening: bool


NOTHING = Survey("", "", default_exists=False, installed=False, listening=False)
"""Before a server was asked."""


def read(line: str) -> Survey | None:
    """The survey in a line of output; None for any other line (a login script's chatter)."""
    fields = line.rstrip("\r\n").split("\t")
    if len(fields) != 6 or fields[0] != _MARK:
        return None
    _mark, user, socket, default, installed, listening = fields
    return Survey(
        user=user,
        socket=socket if _PATH.fullmatch(socket) else "",
        default_exists=bool(default),
        installed=bool(installed),
        listening=bool(listening),
    )


def without_engine(survey: Survey, name: str) -> ServerError:
    """Why there is no socket to use on a server."""
    if survey.default_exists:
        return ServerError(
            f"{survey.user} may not use Docker on {name}",
            cause="permission denied for /var/run/docker.sock",
            hint=f"`ftl setup` puts {survey.user} into the group docker; so does, on {name}: "
            f"`sudo usermod -aG docker {survey.user}`",
        )
    if survey.installed:
        return ServerError(
            f"the Docker engine on {name} does not run",
            cause="there is no /var/run/docker.sock",
            hint=f"`ftl setup` starts it; so does, on {name}: `sudo systemctl enable --now docker`; "
            "`sudo journalctl -u docker` says why it stopped",
        )
    return ServerError(
        f"Docker is not installed on {name}",
        hint=f"`ftl setup` does it; by hand, on {name}: `sudo apt-get install docker.io`, then "
        f"`sudo usermod -aG docker {survey.user}`",
    )


def silent_engine(survey: Survey, name: str, complaints: list[str]) -> ServerError | None:
    """Why an engine does not answer although its socket is there; None when it looks as it should.

    sshd refuses a forward and fails to connect to a socket with the same words ("open failed", seen on 9.2), so
    that only whether somebody listens there tells them apart.

    Args:
        survey: What the server says now.
        name: What messages call it.
        complaints: What ssh printed about the connection, last lines.
    """
    if not survey.listening:
        return ServerError(
            f"the Docker engine on {name} does not answer",
            cause=f"nothing listens on {survey.socket}",
            hint=f"on {name}: `sudo systemctl restart docker`; `sudo journalctl -u docker` says why it stopped",
        )
    refusals = [line for line in complaints if "open failed" in line]
    if refusals:
        return ServerError(
            f"the SSH server of {name} forwards no sockets",
            cause=refusals[-1],
            hint="set `AllowStreamLocalForwarding yes` and `AllowTcpForwarding yes` in its /etc/ssh/sshd_config",
        )
    return None
