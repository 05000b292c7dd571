"""Events of a plan and its steps: deploys, operations, and `ftl setup`."""

from __future__ import annotations

from typing import ClassVar

from ftl.dataclass import dataclass
from ftl.events.event import Event


@dataclass(frozen=True, slots=True)
class SetupPlanned(Event):
    """The plan for a server, a line for each step.

    `system` is its operating system: "Debian GNU/Linux 12 (bookworm)".
    """

    type: ClassVar[str] = "setup_planned"

    server: str
    system: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """The plan of a deploy, a line for each step."""

    type: ClassVar[str] = "planned"

    server: str
    release: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A step of the plan begins. `step` is its fixed name ("start_containers", "switch", ...)."""

    type: ClassVar[str] = "step_started"

    step: str
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class StepFinished(Event):
    """A step of the plan is done."""

    type: ClassVar[str] = "step_finished"

    step: str
    text: str
    seconds: float
    service: str | None = None


@dataclass(frozen=True, slots=True)
class StepFailed(Event):
    """A step failed, or was interrupted; the error is reported separately.

    It is interrupted by Ctrl-C, by the loss of the deploy lock, and when another one that runs beside it fails.
    """

    type: ClassVar[str] = "step_failed"

    step: str
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class StepInterrupted(StepFailed):
    """An interrupted step, in the words for people; in JSON it has failed."""


@dataclass(frozen=True, slots=True)
class StepUndone(Event):
    """A step was undone because a later one failed, or was interrupted."""

    type: ClassVar[str] = "step_undone"

    step: str
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Probed(Event):
    """A health probe of a container and its outcome ("200", "connection refused").

    `seconds` is the time waited so far, `limit` the time allowed.
    """

    type: ClassVar[str] = "probed"

    service: str
    container: str
    outcome: str
    healthy: bool
    seconds: float = 0.0
    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class HookOutput(Event):
    """A line printed by a hook."""

    type: ClassVar[str] = "hook_output"

    service: str
    hook: str
    line: str


@dataclass(frozen=True, slots=True)
class Switched(Event):
    """New requests for these services go to `release` from now on."""

    type: ClassVar[str] = "switched"

    release: str
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draining(Event):
    """Number of requests that are still in flight on the old containers of a service."""

    type: ClassVar[str] = "draining"

    service: str
    in_flight: int
