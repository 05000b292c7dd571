"""Plan: action and reason for each service, and the steps in order. Data only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import Step
from ftl.execution.stages import StageOf, steps_of

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.releases.record import ReleaseRecord

Track = tuple[Step, ...]
"""Steps that run one after the other."""


Stage = StageOf[Step]
"""Tracks that run concurrently."""

Action = Literal["created", "replaced", "unchanged", "restarted", "scaled", "stopped", "removed"]


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """Change of one service, dependency or job, as `ftl plan` prints it."""

    name: str
    action: Action
    why: str
    image: str
    kind: Literal["service", "dependency", "job"] = "service"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps from the observed server to the desired project, and why each is taken.

    Attributes:
        release: The release it makes; the current one where there is nothing to do.
        record: The record of that release, as it stands before it begins.
        by_address: Whether requests by the server's address come to the project, since no other has routes there.
        maintenance: Whether visitors get 503 once it is done.
    """

    server: str
    project: str
    release: str
    changes: tuple[PlannedChange, ...]
    stages: tuple[Stage, ...] = ()
    record: ReleaseRecord | None = None
    notes: tuple[str, ...] = ()
    by_address: bool = False
    maintenance: bool = False

    @classmethod
    def without_release(
        cls,
        observed: Observed,
        stages: tuple[Stage, ...] = (),
        changes: tuple[PlannedChange, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> Plan:
        """A plan that makes no release."""
        return cls(
            observed.server, observed.project, f"r{observed.live_number}", changes, stages, notes=notes
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order in which `ftl plan` prints them."""
        return steps_of(self.stages)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps
