"""Events of a build."""

from __future__ import annotations

from typing import ClassVar, Literal

from ftl.dataclass import dataclass
from ftl.events.event import Event


@dataclass(frozen=True, slots=True)
class BuildStarted(Event):
    """A service's image is being built for `platform` ("linux/amd64").

    `on` is the machine that builds it; null for this one.
    """

    type: ClassVar[str] = "build_started"

    service: str
    image: str
    platform: str | None = None
    on: str | None = None


@dataclass(frozen=True, slots=True)
class BuildContext(Event):
    """The build context was sent to the builder; its size in bytes."""

    type: ClassVar[str] = "build_context"

    service: str
    bytes: int


@dataclass(frozen=True, slots=True)
class BuildStep(Event):
    """One instruction of the Dockerfile changed state; `seconds` is its duration once it ended."""

    type: ClassVar[str] = "build_step"

    service: str
    name: str
    state: Literal["running", "cached", "done", "failed"]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BuildOutput(Event):
    """A line printed by a running build step."""

    type: ClassVar[str] = "build_output"

    service: str
    step: str
    line: str


@dataclass(frozen=True, slots=True)
class BuildFinished(Event):
    """A service's image is built. `built` is false if every step came from the cache."""

    type: ClassVar[str] = "build_finished"

    service: str
    image: str
    seconds: float
    built: bool
    first_miss: str | None = None
    miss_seconds: float = 0.0
    miss_reason: str | None = None
