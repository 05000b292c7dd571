"""Steps that start, check, stop and remove containers, and create what they need."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, Literal

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import ContainerRef, ServiceStep, Step, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.specs import ContainerSpec
    from ftl.engine.values import Mount
    from ftl.health.spec import HealthSpec


@dataclass(frozen=True, slots=True)
class EnsureVolume(Step):
    """Create a named volume if it does not exist; its data is never touched."""

    kind: ClassVar[str] = "ensure_volume"
    project: str
    name: str

    @property
    def text(self) -> str:
        return f"create volume {self.name}"


@dataclass(frozen=True, slots=True)
class StartDependency(ServiceStep):
    """Create and start a dependency's container, in place of `replaces` if there is one.

    Attributes:
        container: Name of the new container.
        spec: Its settings, without the image.
        image: Reference of its image; with a digest where one is known.
        parked: Name that the replaced container gets until the release is decided.
        fresh: Name of the new container until it takes the place of the replaced one.
        carried: Nameless volumes of the replaced container, which the new one goes on with.
    """

    kind: ClassVar[str] = "start_dependency"
    container: str
    spec: ContainerSpec
    image: str
    replaces: ContainerRef | None
    why: str
    parked: str = ""
    fresh: str = ""
    carried: tuple[Mount, ...] = ()

    @property
    def text(self) -> str:
        kept = ", ".join(mount.target for mount in self.carried)
        data = f"; keeps its data at {kept}" if kept else ""
        return f"{'stop and replace' if self.replaces else 'start'} {self.service} ({self.why}{data})"


@dataclass(frozen=True, slots=True)
class StartContainers(ServiceStep):
    """Create and start the containers of a new release beside the old ones.

    Attributes:
        containers: Names of the new containers.
        numbers: Their numbers in the release.
        joins: They join the live containers of a release, whose image they run.
        spec: Their settings, without the image.
        image: Reference of their image; with a digest where one is known.
    """

    kind: ClassVar[str] = "start_containers"
    containers: tuple[str, ...]
    spec: ContainerSpec
    image: str
    why: str
    numbers: tuple[int, ...] = ()
    joins: bool = False

    @property
    def text(self) -> str:
        return f"start {', '.join(self.containers)} ({self.why})"


@dataclass(frozen=True, slots=True)
class RestartContainers(ServiceStep):
    """Start containers that are as they should be, but stopped."""

    kind: ClassVar[str] = "start_again"
    containers: tuple[ContainerRef, ...]

    @property
    def text(self) -> str:
        return f"start {names(self.containers)} again"


@dataclass(frozen=True, slots=True)
class WaitHealthy(ServiceStep):
    """Wait until each of the containers passes the health check."""

    kind: ClassVar[str] = "wait_healthy"
    containers: tuple[ContainerRef, ...]
    check: HealthSpec

    @property
    def text(self) -> str:
        return f"wait until {self.service} is healthy ({self.check})"


@dataclass(frozen=True, slots=True)
class StopOld(ServiceStep):
    """Stop containers before others start, where only one may use a port or data."""

    kind: ClassVar[str] = "stop_old"
    containers: tuple[ContainerRef, ...]
    timeout: float
    why: str = ""

    @property
    def text(self) -> str:
        return f"stop {names(self.containers)} first" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, slots=True)
class SetRestartPolicy(Step):
    """Give running containers the restart policy `always`; none of them is restarted for it.

    Containers that FTL 0.1.0 created have `unless-stopped`, and would stay down after a crash of the engine.
    """

    kind: ClassVar[str] = "set_restart_policy"
    containers: tuple[ContainerRef, ...]

    @property
    def text(self) -> str:
        return f"set the restart policy of {names(self.containers)} to always"


@dataclass(frozen=True, slots=True)
class RunHook(ServiceStep):
    """Run a hook: in a container of the new image, or on this machine.

    Attributes:
        timeout: Seconds that it may take.
    """

    kind: ClassVar[str] = "run_hook"
    hook: Literal["pre", "post"]
    where: Literal["remote", "local"]
    command: str | tuple[str, ...]
    spec: ContainerSpec
    image: str
    container: str
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 3600.0

    @property
    def text(self) -> str:
        # Not the command: it may contain values of env.
        where = "here" if self.where == "local" else "in the new image"
        return f"run the {self.hook} hook of {self.service} {where}"


@dataclass(frozen=True, slots=True)
class StopAndRemove(ServiceStep):
    """Send containers their stop signal, give them `timeout` seconds to end, and remove them."""

    kind: ClassVar[str] = "stop_and_remove"
    containers: tuple[ContainerRef, ...]
    timeout: float
    why: str = "replaced"

    @property
    def text(self) -> str:
        return f"stop and remove {names(self.containers)} ({self.why})"


@dataclass(frozen=True, slots=True)
class StopContainers(ServiceStep):
    """Stop containers and keep them, until `ftl start` or a deploy starts them again."""

    kind: ClassVar[str] = "stop"
    containers: tuple[ContainerRef, ...]
    timeout: float

    @property
    def text(self) -> str:
        return f"stop {names(self.containers)}"


@dataclass(frozen=True, slots=True)
class RemoveVolumes(Step):
    """Remove named volumes of the project, with their data."""

    kind: ClassVar[str] = "remove_volumes"
    volumes: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"remove the data of {', '.join(self.volumes)}"
