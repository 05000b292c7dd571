"""The observed state of a server that is set up."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.engine.calls.swarm import SwarmState

if TYPE_CHECKING:
    from ftl.server.setup.ports import ServerPort


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """The operating system, from /etc/os-release.

    Attributes:
        id: "debian", "ubuntu".
        version: "12", "24.04"; empty where there is none (Debian's testing).
        codename: "bookworm".
        name: Its name for people.
        architecture: By Debian's name: "amd64", "arm64".
    """

    id: str
    version: str
    codename: str
    name: str
    architecture: str


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """A Docker engine that answers; one in a swarm does not support live-restore.

    With live-restore its containers keep running while it restarts.
    """

    live_restore: bool
    swarm: bool
    containers: int


@dataclass(frozen=True, slots=True)
class DeployAccount:
    """The deploy user's account.

    A `sudoer` becomes root by sudo, without a password or, as just now, with one.
    """

    home: str
    groups: frozenset[str]
    sudoer: bool


@dataclass(frozen=True, slots=True)
class SshServer:
    """The SSH server's settings.

    Attributes:
        ports: All ports it listens on: the configured ones, its systemd socket's, and the one of this connection.
        key_files: Its AuthorizedKeysFile patterns.
        authorised: Whether one of our keys is authorised for the deploy user.
        includes: Whether it reads the files of sshd_config.d.
        root_login: PermitRootLogin: "no", "yes", "prohibit-password".
        unread: Its files, or their folder, that it has not read since they were changed.
        exceptions: `Match` blocks in its files that let in by password, or root.
    """

    ports: tuple[int, ...]
    key_files: tuple[str, ...]
    authorised: bool
    includes: bool
    root_login: str
    password_login: bool
    unread: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstalledFirewall:
    """FTL's firewall files on the server, and whether their rules are in force.

    Attributes:
        conf: /etc/ftl/firewall.conf.
        script: /usr/local/sbin/ftl-firewall.
        in_force: Whether iptables has what was applied last.
    """

    conf: bytes | None
    script: bytes | None
    unit: bytes | None
    enabled: bool
    in_force: bool


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """An address of a server, its range, and the MTU of its interface (0: unknown)."""

    address: str
    network: str
    mtu: int


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Facts that decide whether servers can be one cluster.

    Attributes:
        addresses: At which other machines may reach it.
        engine_id: Unique to the engine; empty where none answers.
        version: Of the engine: "26.1.5"; empty where none answers.
        swarm: The engine's own view of its membership.
        nodes: IDs of the nodes of its Swarm; empty for workers, and without a leader.
        stored_node: ID of the node that `ftl setup` made it; kept in the labels of a volume, so that it is known
            without a leader, too.
    """

    addresses: tuple[ServerAddress, ...] = ()
    clock_ahead: float = 0.0
    engine_id: str = ""
    version: str = ""
    swarm: SwarmState = field(default_factory=SwarmState)
    nodes: frozenset[str] = frozenset()
    stored_node: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether `ftl setup` began or joined the Swarm, as far as this server alone knows."""
        return bool(self.swarm.node) and (
            self.swarm.node == self.stored_node or labels.CLUSTER in self.swarm.labels
        )


@dataclass(frozen=True, slots=True)
class ObservedServer:
    """The observed state of a server.

    Attributes:
        login: The user who logged in (before sudo).
        user: The deploy user: the requested one, else `login`.
        systemd: Whether it is the init system.
        free: Free bytes below /var.
        packages: The installed packages, of those that setup may need.
        disabled: Of the units "docker", "cron" and "crond", those that do not start at boot.
        auto_upgrades: Content of apt's 20auto-upgrades.
        dockerd: The engine's path; None: no engine is installed.
        has_docker: Whether the docker command is installed, which Debian 13 has in a package of its own.
        engine: None: no engine answers.
        account: None: the deploy user does not exist.
        ufw_rules: The lines of `ufw show added`; None: ufw is not active.
        vpn_ports: Those of them that VPNs use.
        foreign_ports: Ports that containers other than FTL's publish for other machines.
        cluster: What several servers are compared by.
    """

    login: str
    user: str
    system: OperatingSystem
    systemd: bool
    free: int
    swap: int
    packages: frozenset[str]
    cron: bool
    disabled: frozenset[str]
    auto_upgrades: bytes | None
    dockerd: str | None
    has_docker: bool
    daemon_json: bytes | None
    engine: RunningEngine | None
    engine_arguments: tuple[str, ...]
    account: DeployAccount | None
    sshd: SshServer
    ufw_rules: tuple[str, ...] | None
    firewalld: bool
    firewall: InstalledFirewall
    listening: frozenset[ServerPort]
    vpn_ports: frozenset[ServerPort]
    foreign_ports: frozenset[ServerPort]
    ftl_ports: frozenset[ServerPort]
    cluster: ClusterFacts = field(default_factory=ClusterFacts)
