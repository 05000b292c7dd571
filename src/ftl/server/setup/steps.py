"""What setup can do on a server: each step is a value, done there by the function of its verb in scripts/."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import ClassVar

from ftl.events import type_name
from ftl.figures import size


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        verb: Its name in scripts/serve.sh.
        seconds: How long it may take.
        guarded: Whether it is taken back there unless a new connection is made after it.
    """

    verb: ClassVar[str]
    seconds: ClassVar[float] = 60.0
    guarded: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """Its stable name, for events: "install_docker"."""
        return type_name(type(self))

    @property
    def text(self) -> str:
        """What it does, for people."""
        raise NotImplementedError

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of its verb: no word has lines."""
        return ()


APT_SECONDS = 1200.0
"""Packages may have to wait for another apt (300 s), and come over a slow line."""

GUARD_SECONDS = 45
"""After so many seconds the server takes back what nobody confirmed."""


@dataclass(frozen=True, slots=True)
class RefreshPackages(Step):
    """Fetch the lists of packages; and meanwhile see whether Docker's own repository answers, if it is named."""

    verb = "refresh"
    seconds = APT_SECONDS
    docker_repository: str = ""

    @property
    def text(self) -> str:
        return "fetch the lists of packages"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.docker_repository,)


@dataclass(frozen=True, slots=True)
class InstallPackages(Step):
    """Install packages of the distribution."""

    verb = "install"
    seconds = APT_SECONDS
    packages: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"install {', '.join(self.packages)}"

    @property
    def words(self) -> tuple[str, ...]:
        return self.packages


@dataclass(frozen=True, slots=True)
class WriteDaemonSettings(Step):
    """Write the engine's daemon.json; restart an engine that runs already.

    Attributes:
        live: Whether live-restore is in it and not yet in force: then the engine takes it before it restarts.
        later: Whether an engine that runs is left alone, because its containers would stop with it.
        containers: How many run.
    """

    verb = "daemon"
    seconds = 120.0
    content: bytes
    restart: bool
    live: bool = False
    later: bool = False
    containers: int = 0

    @property
    def text(self) -> str:
        what = "write Docker's settings (log rotation, live-restore) to /etc/docker/daemon.json"
        if not self.restart:
            return f"{what}, for Docker's next start" if self.later else what
        stays = " while its containers go on" if self.containers else ""
        return f"{what} and restart Docker{stays}"

    @property
    def words(self) -> tuple[str, ...]:
        return (encoded(self.content), *("yes" if one else "no" for one in (self.restart, self.live)))


@dataclass(frozen=True, slots=True)
class InstallDocker(Step):
    """Install the engine: from Docker's own repository where it answered, else the distribution's."""

    verb = "docker"
    seconds = APT_SECONDS
    repository: str
    codename: str
    architecture: str
    packages: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"install Docker, from {self.repository} if the server reaches it, else {self.packages[0]}"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.repository, self.codename, self.architecture, *self.packages)


@dataclass(frozen=True, slots=True)
class StartEngine(Step):
    """Have the engine run, now and after a reboot, and answer."""

    verb = "engine"
    seconds = 120.0

    @property
    def text(self) -> str:
        return "start Docker and wait until it answers"


@dataclass(frozen=True, slots=True)
class CreateUser(Step):
    """Create the deploy user, without a password."""

    verb = "user"
    user: str

    @property
    def text(self) -> str:
        return f"create the user {self.user}"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.user,)


@dataclass(frozen=True, slots=True)
class JoinDockerGroup(Step):
    """Let the deploy user use Docker."""

    verb = "group"
    user: str

    @property
    def text(self) -> str:
        return f"add {self.user} to the group docker"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.user,)


@dataclass(frozen=True, slots=True)
class AuthoriseKey(Step):
    """Let the deploy user in by our key; `file` is one of sshd's AuthorizedKeysFile."""

    verb = "key"
    user: str
    file: str
    key: str

    @property
    def text(self) -> str:
        kind, body, *_ = self.key.split()
        return f"let {self.user} in by the key {kind} ...{body[-12:]}"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.user, self.file, self.key)


@dataclass(frozen=True, slots=True)
class GrantSudo(Step):
    """Let the deploy user become root: who is in the group docker can, and root's own login is about to end."""

    verb = "sudoer"
    user: str

    @property
    def text(self) -> str:
        return f"let {self.user} use sudo without a password"

    @property
    def words(self) -> tuple[str, ...]:
        return (self.user,)


@dataclass(frozen=True, slots=True)
class AddSwap(Step):
    """Make a swap file."""

    verb = "swap"
    seconds = 300.0
    bytes: int

    @property
    def text(self) -> str:
        return f"add {size(self.bytes)} of swap, /swapfile"

    @property
    def words(self) -> tuple[str, ...]:
        return (str(self.bytes),)


@dataclass(frozen=True, slots=True)
class EnableUpgrades(Step):
    """Have apt install security updates by itself."""

    verb = "unattended"

    @property
    def text(self) -> str:
        return "have security updates installed every day"

    @property
    def words(self) -> tuple[str, ...]:
        return (encoded(AUTO_UPGRADES),)


AUTO_UPGRADES = b'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'


@dataclass(frozen=True, slots=True)
class AllowInUfw(Step):
    """Open ports in ufw, which decides about what is meant for the server itself."""

    verb = "ufw"
    ports: tuple[tuple[int, str], ...]

    @property
    def text(self) -> str:
        return f"allow {listed(self.ports)} in ufw"

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(f"{port}/{protocol}" for port, protocol in self.ports)


@dataclass(frozen=True, slots=True)
class ApplyFirewall(Step):
    """Put the firewall's rules in force; they go away again unless somebody comes in after that."""

    verb = "firewall"
    guarded = True
    rules: bytes
    script: bytes
    unit: bytes
    ports: tuple[tuple[int, str], ...]
    own_input: bool

    @property
    def text(self) -> str:
        if self.own_input:
            return f"close every port but {listed(self.ports)}, those of containers too"
        return f"have containers' ports obey the firewall, too: {listed(self.ports)} stay open"

    @property
    def words(self) -> tuple[str, ...]:
        return (str(GUARD_SECONDS), encoded(self.rules), encoded(self.script), encoded(self.unit))


@dataclass(frozen=True, slots=True)
class HardenSsh(Step):
    """End root's login and all logins by password; undone unless the deploy user comes in after that."""

    verb = "harden"
    guarded = True
    settings: bytes

    @property
    def text(self) -> str:
        return "end root's login and logins by password"

    @property
    def words(self) -> tuple[str, ...]:
        return (str(GUARD_SECONDS), encoded(self.settings))


@dataclass(frozen=True, slots=True)
class Keep(Step):
    """Keep what a guarded step did."""

    verb = "keep"

    @property
    def text(self) -> str:
        return "keep it"


@dataclass(frozen=True, slots=True)
class Revert(Step):
    """Take back what a guarded step did."""

    verb = "revert"

    @property
    def text(self) -> str:
        return "take it back"


def encoded(content: bytes) -> str:
    """Content as one word."""
    return base64.b64encode(content).decode()


def listed(ports: tuple[tuple[int, str], ...]) -> str:
    """Ports for people: "22, 80, 443 (tcp), 443 (udp)"."""
    kinds = {protocol: [str(port) for port, kind in ports if kind == protocol] for protocol in ("tcp", "udp")}
    return ", ".join(f"{', '.join(numbers)} ({kind})" for kind, numbers in kinds.items() if numbers)
