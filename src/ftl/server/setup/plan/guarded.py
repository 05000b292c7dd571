"""Steps that could lock us out (firewall, sshd), and the steps that confirm or revert them."""

from __future__ import annotations

from ftl.common.files import content_digest
from ftl.dataclass import dataclass
from ftl.server.setup.plan.steps import SetupStep, words
from ftl.server.setup.ports import SWARM, ServerPort, format_ports

GUARD_SECONDS = 45
"""Time after which the server reverts an unconfirmed change."""

HARDENED = b"""\
# Written by `ftl setup --harden`, after the deploy user logged in by key.
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
ChallengeResponseAuthentication no
"""

DROP_IN = ("/etc/ssh/sshd_config.d", "/etc/ssh/sshd_config.d/00-ftl.conf")
"""The file that has it, which nobody else writes, and its folder."""


@dataclass(frozen=True, slots=True)
class AllowInUfw(SetupStep):
    """Open ports in ufw, which decides about traffic to the server itself."""

    kind = "allow_in_ufw"
    ports: tuple[ServerPort, ...]

    @property
    def text(self) -> str:
        return f"allow {format_ports(self.ports)} in ufw"

    @property
    def arguments(self) -> tuple[str, ...]:
        return tuple(f"{number}/{protocol}" for number, protocol in self.ports)


@dataclass(frozen=True, slots=True)
class AllowPeersInUfw(SetupStep):
    """Open the ports of Swarm mode to other servers of the cluster in ufw."""

    kind = "allow_peers_in_ufw"
    peers: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"allow {format_ports(SWARM)} from {', '.join(self.peers)} in ufw"


@dataclass(frozen=True, slots=True)
class CloseToPeersInUfw(SetupStep):
    """Remove the rules for servers that have left the cluster from ufw."""

    kind = "close_to_peers_in_ufw"
    peers: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"allow {format_ports(SWARM)} no longer from {', '.join(self.peers)} in ufw"


@dataclass(frozen=True, slots=True)
class ApplyFirewall(SetupStep):
    """Install FTL's firewall and put its rules in force.

    Attributes:
        seen: That file as it was read: one that has changed since is not replaced.
        own_input: Whether it also decides about traffic to the server itself; else ufw does.
        peers: Other servers that the ports of Swarm mode are open to.
    """

    kind = "apply_firewall"
    guarded = True
    conf: bytes
    seen: bytes | None
    script: bytes
    unit: bytes
    ports: tuple[ServerPort, ...]
    own_input: bool
    peers: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        ports = format_ports(self.ports)
        if self.own_input:
            between = f" and, for {', '.join(self.peers)} alone, {format_ports(SWARM)}" if self.peers else ""
            return f"close all ports except {ports}{between}, including those that containers publish"
        return f"close the ports that containers publish, except {ports}"

    @property
    def arguments(self) -> tuple[str, ...]:
        files = (words(each)[0] for each in (self.conf, self.script, self.unit))
        return (str(GUARD_SECONDS), *files, content_digest(self.seen))


@dataclass(frozen=True, slots=True)
class HardenSsh(SetupStep):
    """Disable root login and password authentication, in effect for the deploy user, too."""

    kind = "harden_ssh"
    sentence = "disable root login and password authentication"
    guarded = True
    user: str
    settings: bytes = HARDENED

    @property
    def arguments(self) -> tuple[str, ...]:
        return (str(GUARD_SECONDS), *words(self.settings), self.user)


@dataclass(frozen=True, slots=True)
class KeepChange(SetupStep):
    """Keep the change of a guarded step."""

    kind = "keep"
    sentence = "keep the change"


@dataclass(frozen=True, slots=True)
class RevertChange(SetupStep):
    """Revert the change of a guarded step."""

    kind = "revert"
    sentence = "revert the change"
