"""Steps that start, check, stop and remove containers, and create their volumes."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Literal

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import ContainerRef, ContainersStep, ServiceStep, Step, names
from ftl.deploy.plan.steps.swarm_services import (
    RemoveSwarmServices,
    StartSwarmServices,
    StopSwarmServices,
    WaitSwarmTasks,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.deploy.plan.steps.base import ServerLookup
    from ftl.engine.specs import ContainerSpec
    from ftl.engine.values import Mount
    from ftl.health.spec import HealthSpec


@dataclass(frozen=True, slots=True)
class EnsureVolume(Step):
    """Create a named volume if it does not exist; its data is never touched."""

    kind = "ensure_volume"
    runs_on = "computed"
    sentence = "create volume {0.name}"
    project: str
    name: str

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        return (replace(self, servers=lookup.using(self.name)),)


@dataclass(frozen=True, slots=True)
class StopOld(ContainersStep):
    """Stop containers before others start, where only one may use a port or data."""

    kind = "stop_old"
    timeout: float
    why: str = ""

    @property
    def text(self) -> str:
        return f"stop {names(self.containers)} first" + (f" ({self.why})" if self.why else "")

    def in_swarm(self, services: Mapping[ContainerRef, int], *, starts: bool) -> Iterable[Step]:
        return (_removed(self.service, services, self.why or "replaced", starts=starts),)


def _after(stops: tuple[StopOld, ...], text: str) -> str:
    """Description of a start that stops containers before, in one action of the server."""
    return ", then ".join((*(stop.text for stop in stops), text))


@dataclass(frozen=True, slots=True)
class StartDependency(ServiceStep):
    """Create and start a dependency's container, in place of `replaces` if there is one.

    Paths that its image declares as VOLUME, and `spec` mounts nothing at, get named volumes: the only thing that is
    created besides the plan's specs, since the image may not be on the server yet.

    Attributes:
        parked: Name that the replaced container gets until the release is decided.
        fresh: Name of the new container until it takes the place of the replaced one.
        carried: Nameless volumes of the replaced container, which the new one goes on with.
        stops: Further containers that stop before it starts, and start again if it does not.
    """

    kind = "start_dependency"
    runs_on = "placement"
    container: str
    spec: ContainerSpec
    image: str
    replaces: ContainerRef | None
    why: str
    parked: str = ""
    fresh: str = ""
    carried: tuple[Mount, ...] = ()
    stops: tuple[StopOld, ...] = ()

    @property
    def text(self) -> str:
        kept = ", ".join(mount.target for mount in self.carried)
        data = f"; keeps its data at {kept}" if kept else ""
        action = "stop and replace" if self.replaces else "start"
        # A plan pulls nothing, so it does not know which paths an image declares as VOLUME.
        start = f"{action} {self.service} ({self.why}{data}), with the volumes that its image declares"
        return _after(self.stops, start)


@dataclass(frozen=True, slots=True)
class StartContainers(ServiceStep):
    """Create and start the containers of a new release: next to the old ones, or in their place.

    Attributes:
        joins: They join the live containers of a release, whose image they run.
        stops: Containers that stop before they start, and start again if they do not.
    """

    kind = "start_containers"
    runs_on = "placement"
    containers: tuple[str, ...]
    specs: tuple[ContainerSpec, ...]
    image: str
    why: str
    joins: bool = False
    stops: tuple[StopOld, ...] = ()

    @property
    def text(self) -> str:
        return _after(self.stops, f"start {', '.join(self.containers)} ({self.why})")


@dataclass(frozen=True, slots=True)
class RestartContainers(ContainersStep):
    """Start containers that are as they should be, but stopped.

    Attributes:
        stops: Containers that stop before they start, and start again if they do not.
    """

    kind = "start_again"
    stops: tuple[StopOld, ...] = ()

    @property
    def text(self) -> str:
        return _after(self.stops, f"start {names(self.containers)} again")

    def in_swarm(self, services: Mapping[ContainerRef, int], *, starts: bool) -> Iterable[Step]:
        return (StartSwarmServices(self.service, tuple(services), tuple(services.values())),)


@dataclass(frozen=True, slots=True)
class WaitHealthy(ContainersStep):
    """Wait until each of the containers passes the health check."""

    kind = "wait_healthy"
    sentence = "wait until {0.service} is healthy ({0.check})"
    check: HealthSpec

    def in_swarm(self, services: Mapping[ContainerRef, int], *, starts: bool) -> Iterable[Step]:
        return [
            WaitSwarmTasks(self.service, each.name, number, self.check) for each, number in services.items()
        ]


@dataclass(frozen=True, slots=True)
class SetRestartPolicy(Step):
    """Give running containers the restart policy of ftl.yaml; none of them is restarted for it.

    Containers that FTL 0.1.0 created have `unless-stopped`, and would stay down after a crash of the engine. Those of a
    stop that broke off have none, and would stay down after a reboot.
    """

    kind = "set_restart_policy"
    runs_on = "computed"
    containers: tuple[ContainerRef, ...]

    @property
    def text(self) -> str:
        return f"set the restart policy of {names(self.containers)}"

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        by_server, _ = lookup.split(self.containers)  # the Swarm has that of replicas
        return (replace(self, servers=servers, containers=refs) for servers, refs in by_server.items())


@dataclass(frozen=True, slots=True)
class RunHook(ServiceStep):
    """Run a hook: in a container of the new image, or on this machine."""

    kind = "run_hook"
    runs_on = "first"
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
class StopAndRemove(ContainersStep):
    """Send containers their stop signal, give them `timeout` seconds to end, and remove them."""

    kind = "stop_and_remove"
    timeout: float
    why: str = "replaced"

    @property
    def text(self) -> str:
        return f"stop and remove {names(self.containers)} ({self.why})"

    def in_swarm(self, services: Mapping[ContainerRef, int], *, starts: bool) -> Iterable[Step]:
        return (_removed(self.service, services, self.why, starts=starts),)


@dataclass(frozen=True, slots=True)
class StopContainers(ContainersStep):
    """Stop containers and keep them, until `ftl start` or a deploy starts them again."""

    kind = "stop"
    timeout: float

    @property
    def text(self) -> str:
        return f"stop {names(self.containers)}"

    def in_swarm(self, services: Mapping[ContainerRef, int], *, starts: bool) -> Iterable[Step]:
        return (StopSwarmServices(self.service, tuple(services), tuple(services.values()), self.timeout),)


@dataclass(frozen=True, slots=True)
class RemoveVolumes(Step):
    """Remove named volumes of the project, with their data."""

    kind = "remove_volumes"
    runs_on = "computed"
    volumes: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"remove the data of {', '.join(self.volumes)}"

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        for server, present in lookup.volumes.items():
            if volumes := tuple(name for name in self.volumes if name in present):
                yield replace(self, volumes=volumes, servers=(server,))


def _removed(
    service: str, services: Mapping[ContainerRef, int], why: str, *, starts: bool
) -> RemoveSwarmServices:
    """Removal of Swarm services.

    Where others start in their place it does not wait for the end of the old tasks, which get no requests any more:
    Swarm takes 5 s for it where one engine takes 2 s (26.1).
    """
    return RemoveSwarmServices(service, tuple(services), why, waits=not starts)
