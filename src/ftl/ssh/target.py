"""A server's address, and the ssh options that reach it: pure, argument lists only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.config.models.project import Server

CONNECT_SECONDS = 10

# A host or user becomes an argument of ssh: nothing that begins with a dash, no spaces, no shell's characters.
_HOST = re.compile(r"[A-Za-z0-9_:\[][A-Za-z0-9_.:%\[\]-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\+-]*\$?")

# For every call of ssh. The user's configuration decides how to get there, not what happens there.
_ALWAYS = (
    "-T",  # no terminal
    "-a",  # no agent forwarding
    "-x",  # no X11
    "-o ClearAllForwardings=yes",
    "-o RemoteCommand=none",
    "-o PermitLocalCommand=no",
    "-o ExitOnForwardFailure=no",
    "-o Compression=no",
    "-o LogLevel=INFO",
    f"-o ConnectTimeout={CONNECT_SECONDS}",
    "-o ServerAliveInterval=15",
    "-o ServerAliveCountMax=3",
    "-o StreamLocalBindUnlink=yes",
    "-o StreamLocalBindMask=0177",
)

# Against "no input", "into the background" and "no command" in the user's configuration. Only where `ssh -G` names
# them: OpenSSH before 8.7 does not know them, and refuses what it does not know.
_RUNS_COMMANDS = ("StdinNull=no", "ForkAfterAuthentication=no", "SessionType=default")


@dataclass(frozen=True, slots=True)
class Target:
    """A server as the user names it; ssh and its configuration supply values that are None.

    Attributes:
        host: A host name, an address, or a `Host` of ~/.ssh/config.
        key: Only this private key is offered.
        known_hosts: Instead of the user's and the system's known_hosts.
        connect_to: The address to connect to in place of the host, which is then a name and no more.

    Raises:
        UsageError: A part that ssh would read as something else.
    """

    host: str
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    known_hosts: Path | None = None
    connect_to: str | None = None

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise UsageError(
                f"`{self.host}` is not the name of a host",
                hint="a name, an address, or a Host of ~/.ssh/config",
            )
        if self.user is not None and not _USER.fullmatch(self.user):
            raise UsageError(f"`{self.user}` is not the name of a user")
        for path in (self.key, self.known_hosts):
            if path is not None and re.search(r'["\n]|\$\{', str(path)):
                raise UsageError(f"ssh cannot be given the path {path}")

    @property
    def address(self) -> str:
        """The address that ssh connects to: without the brackets of a literal IPv6 address."""
        return (self.connect_to or self.host).strip("[]")


def target_of(server: Server) -> Target:
    """The server of an ftl.yaml, which must not be `local`."""
    key = Path(server.ssh_key).expanduser() if server.ssh_key else None
    return Target(server.host, server.port, server.user, key, server.known_hosts, server.connect_to)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A target with ssh's configuration applied (`ssh -G`).

    Attributes:
        strict: Whether only servers whose host key is known are accepted.
        shares: Whether the configuration itself shares connections (ControlMaster, ControlPath, ControlPersist).
        configuration: All of it, as ssh printed it: two that differ may be two different connections.
        runs_commands: Options that make ssh run our commands, whatever the configuration says; empty where it does not
            know them.
    """

    hostname: str
    user: str
    port: str
    strict: bool
    keys: tuple[str, ...] = ()
    shares: bool = False
    configuration: str = ""
    runs_commands: tuple[str, ...] = ()


UNRESOLVED = Resolved("", "", "22", strict=False)
"""Before ssh was asked."""


@dataclass(frozen=True, slots=True)
class ForwardDestination:
    """The far end of a forward, as seen from the server.

    Attributes:
        host: A host, or the path of a unix socket.
        port: Its port; None for a unix socket.

    Raises:
        UsageError: ssh would read it as something else.
    """

    host: str
    port: int | None = None

    def __post_init__(self) -> None:
        if self.port is None:
            return
        strange = any(character.isspace() or character in "/[]" for character in self.host)
        if not self.host or strange or not 0 < self.port < 65536:
            raise UsageError(f"{self.host}:{self.port} is not an address")

    def __str__(self) -> str:
        """The destination in the form of ssh's -L."""
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def options(target: Target) -> list[str]:
    """The options that name the server and how to log in."""
    words = [*_ALWAYS]
    if target.port is not None:
        words += ["-p", str(target.port)]
    if target.user is not None:
        words += ["-l", target.user]
    if target.key is not None:
        words += ["-i", _literal(target.key), "-o", "IdentitiesOnly=yes"]
    if target.known_hosts is not None:
        words += ["-o", f'UserKnownHostsFile="{_literal(target.known_hosts)}"']
        words += ["-o", "GlobalKnownHostsFile=/dev/null"]
    return [part for word in words for part in (word.split(" ", 1) if word.startswith("-o ") else [word])]


def master(
    target: Target, resolved: Resolved, socket: Path, *, interactive: bool, persist: int, log: Path
) -> list[str]:
    """The options of the one connection that all others go through.

    Host keys: a new server's is remembered, a changed one refused; a configuration that says `yes` (only known
    servers) is kept. Without a terminal nothing asks.

    `interactive`: ssh may ask for a passphrase or confirmation. `persist` is the seconds that the connection stays
    after its last client: not 0, which ssh takes for ever. `log` gets its messages: in the background it has no stderr.
    """
    return [
        *("-M", "-S", _literal(socket), "-o", f"ControlPersist={persist}", "-E", str(log)),
        *("-o", f"StrictHostKeyChecking={'yes' if resolved.strict else 'accept-new'}"),
        *("-o", f"BatchMode={'no' if interactive else 'yes'}"),
        *(word for option in resolved.runs_commands for word in ("-o", option)),
        *options(target),
    ]


def client(socket: Path) -> list[str]:
    """The options of a call that goes through the master, and fails where there is none."""
    own = ["-o", "ControlMaster=no", "-o", "ProxyCommand=false"]
    return ["-F", "/dev/null", "-S", _literal(socket), *own, "-T"]


def resolved(output: str) -> Resolved:
    """Read the output of `ssh -G`."""
    pairs = [line.split(" ", 1) for line in output.splitlines() if " " in line]
    first = {pair[0]: pair[1] for pair in reversed(pairs)}
    shares = (
        first.get("controlmaster", "false") not in ("false", "no")
        or first.get("controlpersist", "no") not in ("false", "no")
        or "controlpath" in first
    )
    return Resolved(
        hostname=first.get("hostname", ""),
        user=first.get("user", ""),
        port=first.get("port", "22"),
        strict=first.get("stricthostkeychecking", "") in ("yes", "true"),
        keys=tuple(value for key, value in pairs if key == "identityfile"),
        shares=shares,
        configuration=output,
        runs_commands=tuple(option for option in _RUNS_COMMANDS if option.split("=")[0].lower() in first),
    )


def _literal(path: Path) -> str:
    """A path in which ssh finds no tokens to expand."""
    return str(path).replace("%", "%%")
