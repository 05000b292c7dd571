"""Steps that could lock us out, and what settles them: the firewall, the ways in."""

from __future__ import annotations

from dataclasses import dataclass

from ftl.server.setup.plan.steps.base import SetupStep, encoded
from ftl.server.setup.ports import Port, format_ports

GUARD_SECONDS = 45
"""After so many seconds the server takes back what nobody confirmed."""


@dataclass(frozen=True, slots=True)
class AllowInUfw(SetupStep):
    """Open ports in ufw, which decides about what is meant for the server itself."""

    verb = "ufw"
    ports: tuple[Port, ...]

    @property
    def text(self) -> str:
        return f"allow {format_ports(self.ports)} in ufw"

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(f"{port}/{protocol}" for port, protocol in self.ports)


@dataclass(frozen=True, slots=True)
class ApplyFirewall(SetupStep):
    """Put the firewall's rules in force; they go away again unless somebody comes in after that."""

    verb = "firewall"
    guarded = True
    rules: bytes
    script: bytes
    unit: bytes
    ports: tuple[Port, ...]
    own_input: bool

    @property
    def text(self) -> str:
        if self.own_input:
            return f"close every port but {format_ports(self.ports)}, those of containers too"
        return f"have containers' ports obey the firewall, too: {format_ports(self.ports)} stay open"

    @property
    def words(self) -> tuple[str, ...]:
        return (str(GUARD_SECONDS), encoded(self.rules), encoded(self.script), encoded(self.unit))


@dataclass(frozen=True, slots=True)
class HardenSsh(SetupStep):
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
class Keep(SetupStep):
    """Keep what a guarded step did."""

    verb = "keep"

    @property
    def text(self) -> str:
        return "keep it"


@dataclass(frozen=True, slots=True)
class Revert(SetupStep):
    """Take back what a guarded step did."""

    verb = "revert"

    @property
    def text(self) -> str:
        return "take it back"
