"""Hosts of steps: on which servers of a cluster each step of a plan runs.

The planner says what is to be done; steps that concern one server of several name it already. Here the others get
theirs: routes go to each proxy, records to each manager, a container to the server that it is on.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.observe.cluster import service_id
from ftl.deploy.plan.catch_up import published
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.placement import _place
from ftl.deploy.plan.steps.base import ContainerRef, ServiceStep
from ftl.deploy.plan.steps.containers import (
    EnsureVolume,
    RemoveVolumes,
    RestartContainers,
    RunHook,
    SetRestartPolicy,
    StartContainers,
    StartDependency,
    StopAndRemove,
    StopContainers,
    StopOld,
    WaitHealthy,
)
from ftl.deploy.plan.steps.images import (
    BringImage,
    DropTags,
    PruneBuildCache,
    PushPull,
    RemoveImages,
    SendImages,
    TagPulled,
)
from ftl.deploy.plan.steps.jobs import CheckCron, CreateJob, RemoveJobs, SwitchJobs, WriteCrontab
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    AwaitCertificates,
    Drain,
    PublishName,
    RemoveNetworks,
    RemoveRoutes,
    RemoveSite,
    RepairSwitch,
    Switch,
)
from ftl.deploy.plan.steps.records import AmendRecords, CompactRecords, Record, SetHold, SetPreview
from ftl.deploy.plan.steps.services import RemoveServices, StartServices, StopServices, WaitTasks
from ftl.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ftl.config import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.exclusive import AnyChange
    from ftl.deploy.plan.model import Plan, Stage, Track
    from ftl.deploy.plan.steps.base import Step
    from ftl.engine.values import Container

_EVERYWHERE = (SendImages, PushPull, TagPulled, DropTags)
_PROXIES = (
    Drain,
    PublishName,
    RemoveRoutes,
    RemoveSite,
    RepairSwitch,
    Switch,
)
_MANAGERS = (AmendRecords, CompactRecords, Record, SetHold, SetPreview)
_FIRST = (CheckCron, CreateJob, RemoveJobs, RunHook, SwitchJobs, WriteCrontab)
_OF_CONTAINERS = (RestartContainers, SetRestartPolicy, StopAndRemove, StopContainers, StopOld, WaitHealthy)


def placed(stages: Iterable[Stage], diff: Diff) -> Iterator[Stage]:
    """Stages whose steps name their servers; with one server as they are.

    Raises:
        ServerError: A server that something is placed on cannot be reached.
    """
    yield from _at_servers(stages, diff.observed, diff.project.servers, diff)


def placed_plan(plan: Plan, observed: Observed, servers: Sequence[ClusterServer]) -> Plan:
    """A plan whose steps name their servers, as those that `make_plan` made do already.

    Args:
        plan: A plan whose steps start nothing that was not there.
        observed: The servers.
        servers: Those of the project's cluster; empty with one server.

    Raises:
        ServerError: A server that something is placed on cannot be reached.
    """
    stages = published(_at_servers(plan.stages, observed, servers), observed, servers)
    down = tuple(
        f"{host} cannot be reached: nothing changes there"
        for host in observed.down
        if not any(note.startswith(f"{host} cannot be reached") for note in plan.notes)
    )
    return replace(plan, stages=stages, notes=(*down, *plan.notes))


def _at_servers(
    stages: Iterable[Stage], observed: Observed, servers: Sequence[ClusterServer], diff: Diff | None = None
) -> Iterator[Stage]:
    if not observed.is_cluster:
        replica = {one.id: one for one in observed.containers if service_id(one)}
        for stage in stages:
            yield _without_replicas(stage, replica, starts=diff is not None) if replica else stage
        return
    placement = _Placement(observed, servers, diff)
    for stage in stages:
        tracks = (placement.track(track) for track in stage.tracks)
        yield replace(stage, tracks=tuple(filter(None, tracks)))


class _Placement:
    """The servers of each step of a plan for a cluster."""

    def __init__(self, observed: Observed, servers: Sequence[ClusterServer], diff: Diff | None) -> None:
        self._observed = observed
        self._home = servers[0].host
        self._changes: tuple[AnyChange, ...] = () if diff is None else (*diff.dependencies, *diff.services)
        self._diff = diff
        self._up = tuple(view.host for view in observed.views)
        self._proxies = tuple(view.host for view in observed.proxies)
        self._managers = tuple(view.host for view in observed.views if view.manager)
        self._host = {one.id: view.host for view in observed.views for one in view.containers}
        self._replica = {one.id: one for one in observed.containers if service_id(one)}

    def track(self, track: Track) -> Track:
        """The steps of a track, at their servers."""
        return tuple(placed for step in track for placed in self._of(step))

    def _of(self, step: Step) -> Iterator[Step]:
        here = isinstance(step, PruneBuildCache) or (isinstance(step, (DropTags, RemoveImages)) and step.here)
        if step.hosts or here:
            yield step
        elif isinstance(step, _OF_CONTAINERS):
            yield from self._by_host(step)
        elif isinstance(step, (RemoveImages, RemoveVolumes)):
            yield from self._where_present(step)
        elif isinstance(step, ApplySite):
            issuer = self._observed.issuer
            # The others forward first: the issuer asks for certificates at once, and the authority any server.
            others = tuple(host for host in self._proxies if host != issuer)
            if others:
                yield replace(step, hosts=others, issuer=issuer)
            yield replace(step, hosts=(issuer,), issuer=issuer)
        elif isinstance(step, AwaitCertificates):
            yield replace(step, hosts=(self._observed.issuer,))
        elif hosts := self._hosts(step):
            yield replace(step, hosts=hosts)
        else:
            yield step

    def _hosts(self, step: Step) -> tuple[str, ...]:
        if isinstance(step, _EVERYWHERE):
            return self._up
        if isinstance(step, _PROXIES):
            return self._proxies
        if isinstance(step, _MANAGERS):
            return self._managers
        if isinstance(step, _FIRST):
            return (self._first(step),)
        if isinstance(step, RemoveNetworks):  # those of a cluster are on all nodes, and known to each manager
            return self._managers[:1]
        if isinstance(step, BringImage):
            return self._bringing(step)
        if isinstance(step, EnsureVolume):
            return self._using(step.name)
        if isinstance(step, (StartContainers, StartDependency)):
            return (self._own_place(step),)
        return ()

    def _first(self, step: Step) -> str:
        host = self._home
        if host not in self._up:
            raise ServerError(
                f"{host} cannot be reached, and it is where jobs and hooks run",
                hint=f"to be done: {step.text}",
            )
        return host

    def _bringing(self, step: BringImage) -> tuple[str, ...]:
        """Servers that lack an image: those of the dependencies that run it, or all for a service."""
        places = {
            change.name: (self._place(change),)
            for change in self._changes
            if isinstance(change, DependencyChange) and change.name in step.owners
        }
        wanted = [host for owner in step.owners for host in places.get(owner, self._up)]
        return tuple(
            view.host
            for view in self._observed.views
            if view.host in wanted and not view.has_image(step.reference)
        )

    def _using(self, volume: str) -> tuple[str, ...]:
        users = [
            change
            for change in self._changes
            if any(mount.source == volume for mount in change.desired.spec.mounts)
        ]
        return tuple(dict.fromkeys(self._place(change) for change in users)) or (self._up[0],)

    def _place(self, change: AnyChange) -> str:
        assert self._diff is not None  # it has the change
        return _place(self._diff, change)

    def _where_present(self, step: RemoveImages | RemoveVolumes) -> Iterator[Step]:
        """A step about images or volumes, for each server that has some of them."""
        for view in self._observed.views:
            if isinstance(step, RemoveVolumes):
                here = {volume.name for volume in view.volumes}
                if volumes := tuple(name for name in step.volumes if name in here):
                    yield replace(step, volumes=volumes, hosts=(view.host,))
            else:
                ids = {image.id for image in view.images}
                if images := tuple(dict.fromkeys(image for image in step.images if image in ids)):
                    yield replace(step, images=images, hosts=(view.host,))

    def _own_place(self, step: ServiceStep) -> str:
        return next(self._place(change) for change in self._changes if change.name == step.service)

    def _by_host(
        self,
        step: RestartContainers | SetRestartPolicy | StopAndRemove | StopContainers | StopOld | WaitHealthy,
    ) -> Iterator[Step]:
        """A step about containers, for each of their servers; replicas go with their Swarm service."""
        hosts: dict[str, list[ContainerRef]] = defaultdict(list)
        plain, services = _split(step.containers, self._replica)
        for ref in plain:
            if ref.id:
                hosts[self._host[ref.id]].append(ref)
            elif isinstance(step, ServiceStep):
                hosts[self._own_place(step)].append(ref)
        for host, refs in hosts.items():
            yield replace(step, containers=tuple(refs), hosts=(host,))
        if services:
            yield from _of_services(step, services, starts=self._diff is not None)


def _split(
    containers: Iterable[ContainerRef], replica: Mapping[str, Container]
) -> tuple[list[ContainerRef], dict[ContainerRef, int]]:
    """Plain containers; and the Swarm services of replicas, with the number of these."""
    plain: list[ContainerRef] = []
    services: dict[ContainerRef, int] = defaultdict(int)
    for ref in containers:
        if ref.id in replica:
            one = replica[ref.id]
            services[ContainerRef(service_id(one), one.name.rpartition(".")[0])] += 1
        else:
            plain.append(ref)
    return plain, services


def _without_replicas(stage: Stage, replica: Mapping[str, Container], *, starts: bool) -> Stage:
    """A stage for one server, to which a project has come back from several: it has Swarm services still."""

    def of(step: Step) -> Iterator[Step]:
        if not isinstance(step, _OF_CONTAINERS):
            yield step
            return
        plain, services = _split(step.containers, replica)
        if plain or not services:
            yield replace(step, containers=tuple(plain))
        if services:
            yield from _of_services(step, services, starts=starts)

    tracks = (tuple(placed for step in track for placed in of(step)) for track in stage.tracks)
    return replace(stage, tracks=tuple(filter(None, tracks)))


def _of_services(
    step: RestartContainers | SetRestartPolicy | StopAndRemove | StopContainers | StopOld | WaitHealthy,
    services: Mapping[ContainerRef, int],
    *,
    starts: bool,
) -> Iterator[Step]:
    """A step about replicas, as one about their Swarm services; a manager does it.

    Args:
        step: The step.
        services: Each service, and the number of its replicas.
        starts: Whether the plan starts others in their place. It then does not wait for the end of the old tasks,
            which get no requests any more: Swarm takes 5 s for it where one engine takes 2 s (26.1).
    """
    names, numbers = tuple(services), tuple(services.values())
    match step:
        case StopAndRemove() | StopOld():
            yield RemoveServices(step.service, names, step.why or "replaced", waits=not starts)
        case StopContainers():
            yield StopServices(step.service, names, numbers, step.timeout)
        case RestartContainers():
            yield StartServices(step.service, names, numbers)
        case WaitHealthy():
            for service, number in services.items():
                yield WaitTasks(step.service, service.name, number, step.check)
        case _:  # the Swarm has the restart policy
            return
