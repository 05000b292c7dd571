"""Steps about Swarm services: a service at a release, with replicas on several servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import ServiceStep
from ftl.figures import count

if TYPE_CHECKING:
    from ftl.deploy.plan.steps.base import ContainerRef
    from ftl.engine.values import ContainerSpec
    from ftl.health.spec import HealthSpec


@dataclass(frozen=True, slots=True)
class CreateService(ServiceStep):
    """Create the Swarm service of a new release beside the old one.

    Attributes:
        name: Its name in the Swarm.
        spec: Settings of its containers, without the image.
        image: Reference of their image; with a digest where one is known.
        places: Servers that may run them, for people; `constraints` say so to the Swarm.
    """

    kind: ClassVar[str] = "create_service"
    name: str
    spec: ContainerSpec
    image: str
    why: str
    replicas: int
    places: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return (
            f"start {count(self.replicas, 'replica')} of {self.name} on {', '.join(self.places)} ({self.why})"
        )


@dataclass(frozen=True, slots=True)
class WaitTasks(ServiceStep):
    """Wait until each task of a new Swarm service passes the health check."""

    kind: ClassVar[str] = "wait_tasks"
    name: str
    replicas: int
    check: HealthSpec

    @property
    def text(self) -> str:
        return f"wait until {self.service} is healthy ({self.check})"


@dataclass(frozen=True, slots=True)
class RemoveServices(ServiceStep):
    """Remove Swarm services; the Swarm stops their tasks, with the stop signal first."""

    kind: ClassVar[str] = "remove_services"
    services: tuple[ContainerRef, ...]
    why: str = "replaced"

    @property
    def text(self) -> str:
        return f"stop and remove {', '.join(service.name for service in self.services)} ({self.why})"
