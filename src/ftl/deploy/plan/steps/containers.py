"""Steps that start, watch and end containers, and what these need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.deploy.plan.steps.base import ServiceStep, Step

if TYPE_CHECKING:
    from ftl.engine import ContainerSpec
    from ftl.health.wait import Check


@dataclass(frozen=True, slots=True)
class EnsureVolume(Step):
    """A named volume exists; what is there is kept as it is."""

    project: str
    name: str

    @property
    def text(self) -> str:
        return f"create volume {self.name}"


@dataclass(frozen=True, slots=True)
class StartDependency(ServiceStep):
    """A dependency's container is created, in place of `replaces` if there is one."""

    container: str
    spec: ContainerSpec
    replaces: str | None
    why: str

    @property
    def text(self) -> str:
        return f"{'replace' if self.replaces else 'start'} {self.service} ({self.why})"


@dataclass(frozen=True, slots=True)
class StartContainers(ServiceStep):
    """The containers of a new release, beside the old ones."""

    names: tuple[str, ...]
    spec: ContainerSpec
    why: str

    @property
    def text(self) -> str:
        return f"start {', '.join(self.names)} ({self.why})"


@dataclass(frozen=True, slots=True)
class StartAgain(ServiceStep):
    """Containers that are right but stopped are started again."""

    names: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"start {', '.join(self.names)} again"


@dataclass(frozen=True, slots=True)
class WaitHealthy(ServiceStep):
    """Every one of these containers answers its check."""

    names: tuple[str, ...]
    check: Check

    @property
    def text(self) -> str:
        return f"wait until {self.service} is healthy ({self.check})"


@dataclass(frozen=True, slots=True)
class StopOld(ServiceStep):
    """The old containers stop before the new ones start (`recreate`, or a port that only one can hold)."""

    names: tuple[str, ...]
    timeout: float

    @property
    def text(self) -> str:
        return f"stop {', '.join(self.names)} first"


@dataclass(frozen=True, slots=True)
class RunHook(ServiceStep):
    """A hook runs: in a container of the new image, or on this machine."""

    hook: Literal["pre", "post"]
    where: Literal["remote", "local"]
    command: str
    spec: ContainerSpec
    container: str

    @property
    def text(self) -> str:
        # Not the command: values of env may be in it.
        where = "here" if self.where == "local" else "in the new image"
        return f"run the {self.hook} hook of {self.service} {where}"


@dataclass(frozen=True, slots=True)
class StopAndRemove(ServiceStep):
    """Containers get their stop signal, `timeout` seconds to end, and are removed."""

    names: tuple[str, ...]
    timeout: float
    why: str = "replaced"

    @property
    def text(self) -> str:
        return f"stop and remove {', '.join(self.names)} ({self.why})"
