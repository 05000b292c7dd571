"""Findings: the result of one check each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable


Level = Literal["ok", "warning", "problem"]
"""Severity. A problem breaks a deploy, or keeps visitors away; a warning may be intended."""

Area = Literal["here", "there", "builders", "dns", "certificates", "registries"]
"""Areas in the order of the report: first those that deploys need, then those of visitors."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: What was checked: "docker", "disk", "port 80", a domain, a registry. Unique in its area, or nearly.
        what: A sentence without its full stop.
        fix: What to do about it, commands in backticks; None where nothing is to be done.
    """

    area: Area
    name: str
    level: Level
    what: str
    fix: str | None = None


def downgraded(findings: Iterable[Finding]) -> list[Finding]:
    """The findings with each problem as a warning, since deploys work in spite of them."""
    return [
        replace(finding, level="warning") if finding.level == "problem" else finding for finding in findings
    ]
