"""What one check came to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Level = Literal["ok", "warning", "problem"]
"""A problem breaks a deploy, or keeps visitors from what was deployed. A warning is worth a look."""

Area = Literal["here", "there", "dns", "certificates", "registries"]
"""In the order in which they are told: this machine, the server, and what lies between visitors and it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what it came to.

    Attributes:
        name: What was looked at: "docker", "disk", "port 80", a domain, a registry. Unique in its area, or nearly.
        what: A sentence without its full stop.
        fix: What to do about it, commands in backticks; None where nothing is to be done.
    """

    area: Area
    name: str
    level: Level
    what: str
    fix: str | None = None


def downgraded(findings: Iterable[Finding]) -> list[Finding]:
    """The same with no problem among them: what would break a deploy evidently does not."""
    return [replace(one, level="warning") if one.level == "problem" else one for one in findings]
