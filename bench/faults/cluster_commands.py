"""Commands of a project on several servers, each with its preparation and its way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.faults.commands import EVERYBODY, OFF, START, WAIT

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ClusterCommand:
    """A command of a cluster, with what runs before it and what leads back; {b} is the second server.

    Attributes:
        argv: Its arguments.
        before: Commands that run undisturbed before it.
        after: Commands that must work after the fault, and lead back to the state from which a deploy converges.
        forget: Run on the second server before it, as root: a shell script.
        changes: Whether the app has changed before it.
        third: What it does with the third server: it "joins" the two others, or "leaves" them; no client asks there.
    """

    argv: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()
    forget: str = ""
    changes: bool = False
    third: Literal["stays", "joins", "leaves"] = "stays"

    def __str__(self) -> str:
        words = " ".join(self.argv)
        return words if self.third == "stays" else f"{words} ({self.third})"


_DRAIN, _RESUME = ("servers", "drain", "{b}"), ("servers", "resume", "{b}", *WAIT)
_SETUP = ("setup",)

# Not the engine's settings: its restart would end what runs on the server.
_FORGET_FIREWALL = "rm -f /etc/ftl/* /usr/local/sbin/ftl-firewall /run/ftl-firewall.applied"

CLUSTER_NAMED: Mapping[str, ClusterCommand] = {
    "drain": ClusterCommand(_DRAIN, after=(_RESUME,)),
    "resume": ClusterCommand(_RESUME, before=(_DRAIN,), after=(_RESUME,)),
    "deploy": ClusterCommand(("deploy",), changes=True),
    "setup-join": ClusterCommand(_SETUP, after=(_SETUP,), third="joins"),
    "setup-leave": ClusterCommand(_SETUP, after=(_SETUP,), third="leaves"),
    "setup": ClusterCommand(_SETUP, after=(_SETUP,), forget=_FORGET_FIREWALL),
    "rollback": ClusterCommand(("rollback",)),
    "restart": ClusterCommand(("restart",)),
    "prune": ClusterCommand(("prune",)),
    "scale": ClusterCommand(("scale", "web=4")),
    "stop": ClusterCommand(("stop", "worker"), after=(START,)),
    "start": ClusterCommand(("start", "worker"), before=(("stop", "worker"),), after=(START,)),
    "maintenance-on": ClusterCommand(("maintenance", "on", *EVERYBODY), after=(OFF,)),
    "maintenance-off": ClusterCommand(OFF, before=(("maintenance", "on", *EVERYBODY),), after=(OFF,)),
}
"""Every command of several servers that is broken off, by the name that the bench has for it."""
