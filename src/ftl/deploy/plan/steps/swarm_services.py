"""Steps about Swarm services: a service at a release, with replicas on several servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import count
from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import ServiceStep, Step

if TYPE_CHECKING:
    from ftl.deploy.plan.steps.base import ContainerRef
    from ftl.engine.specs import ContainerSpec
    from ftl.health.spec import HealthSpec


@dataclass(frozen=True, slots=True)
class CreateSwarmService(ServiceStep):
    """Create the Swarm service of a new release next to the old one.

    Attributes:
        allowed: Servers that may run them, for people; `constraints` say so to the Swarm.
    """

    kind = "create_service"
    runs_on = "one manager"
    name: str
    spec: ContainerSpec
    image: str
    why: str
    replicas: int
    allowed: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"start {count(self.replicas, 'replica')} of {self.name} on {', '.join(self.allowed)} ({self.why})"


@dataclass(frozen=True, slots=True)
class WaitSwarmTasks(ServiceStep):
    """Wait until each task of a new Swarm service passes the health check."""

    kind = "wait_tasks"
    runs_on = "one manager"
    sentence = "wait until {0.service} is healthy ({0.check})"
    name: str
    replicas: int
    check: HealthSpec


@dataclass(frozen=True, slots=True)
class RemoveSwarmServices(ServiceStep):
    """Remove Swarm services; the Swarm stops their tasks, with the stop signal first.

    Attributes:
        waits: Whether their tasks have to end before the next step, which removes networks or images.
    """

    kind = "remove_services"
    runs_on = "one manager"
    services: tuple[ContainerRef, ...]
    why: str = "replaced"
    waits: bool = False

    @property
    def text(self) -> str:
        return f"stop and remove {', '.join(service.name for service in self.services)} ({self.why})"


@dataclass(frozen=True, slots=True)
class StopSwarmServices(ServiceStep):
    """Stop all tasks of Swarm services, and keep the services for `ftl start` or a deploy.

    Attributes:
        replicas: Their numbers of replicas, which they get again.
        timeout: Seconds that a task gets to end.
    """

    kind = "stop_services"
    runs_on = "one manager"
    services: tuple[ContainerRef, ...]
    replicas: tuple[int, ...]
    timeout: float

    @property
    def text(self) -> str:
        return f"stop all replicas of {', '.join(service.name for service in self.services)}"


@dataclass(frozen=True, slots=True)
class StartSwarmServices(ServiceStep):
    """Start the tasks of Swarm services that were stopped."""

    kind = "start_services"
    runs_on = "one manager"
    services: tuple[ContainerRef, ...]
    replicas: tuple[int, ...]

    @property
    def text(self) -> str:
        numbers = zip(self.replicas, self.services, strict=True)
        listed = (f"{count(number, 'replica')} of {service.name}" for number, service in numbers)
        return f"start {', '.join(listed)} again"


@dataclass(frozen=True, slots=True)
class AdmitServer(Step):
    """Have the Swarm place replicas on a server that joined: it has their images now."""

    kind = "admit_server"
    runs_on = "one manager"
    sentence = "allow replicas on {0.server}, which joined the cluster"
    server: str


@dataclass(frozen=True, slots=True)
class SetDrained(Step):
    """Say whether replicas of the project are placed on a server.

    Attributes:
        value: Whether none are.
    """

    kind = "set_drained"
    runs_on = "one manager"
    server: str
    value: bool

    @property
    def text(self) -> str:
        if self.value:
            return f"stop placing replicas on {self.server}"
        return f"allow replicas on {self.server} again"
