"""Steps that could lock us out, and what settles them: the firewall, the ways in."""

from __future__ import annotations

from dataclasses import dataclass

from ftl.server.setup.plan.firewall import Port, listed
from ftl.server.setup.plan.steps.base import Step, encoded

GUARD_SECONDS = 45
"""After so many seconds the server takes back what nobody confirmed."""


@dataclass(frozen=True, slots=True)
class AllowInUfw(Step):
    """Open ports in ufw, which decides about what is meant for the server itself."""

    verb = "ufw"
    ports: tuple[Port, ...]

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
    ports: tuple[Port, ...]
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
