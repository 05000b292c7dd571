"""Hosts of steps: on which servers of a cluster each step of a plan runs.

The planner says what is to be done; steps that concern one server of several name it already. The others say by their
class which they need (`Step.runs_on`, `Step.at`), and get them here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.observe.swarm import service_id
from ftl.deploy.plan.catch_up import published
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.placement import server_of
from ftl.deploy.plan.steps.base import ContainerRef, ContainersStep
from ftl.deploy.plan.steps.containers import SetRestartPolicy
from ftl.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.exclusive import AnyChange
    from ftl.deploy.plan.model import Plan, Stage, Track
    from ftl.deploy.plan.steps.base import Step


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
    planned = _PlannedServers(observed, servers, diff)
    if not observed.is_cluster and not planned.replicas:
        yield from stages
        return
    for stage in stages:
        tracks = (planned.track(track) for track in stage.tracks)
        yield replace(stage, tracks=tuple(filter(None, tracks)))


class _PlannedServers:
    """The servers of a plan: `Cluster` of its steps.

    With one server it is that of a project that has come back from several, and has Swarm services still.

    Attributes:
        replicas: ID -> replica of a Swarm service.
    """

    def __init__(self, observed: Observed, servers: Sequence[ClusterServer], diff: Diff | None) -> None:
        self.replicas = {one.id: one for one in observed.containers if service_id(one)}
        self.up = tuple(view.host for view in observed.views)
        self.proxies = tuple(view.host for view in observed.proxies)
        self.issuer = observed.issuer
        self.starts = diff is not None
        self.images: Mapping[str, frozenset[str]] = {
            view.host: frozenset(image.id for image in view.images) for view in observed.views
        }
        self.volumes: Mapping[str, frozenset[str]] = {
            view.host: frozenset(one.name for one in view.volumes) for view in observed.views
        }
        self._observed = observed
        self._home = servers[0].host if servers else ""
        self._changes: tuple[AnyChange, ...] = () if diff is None else (*diff.dependencies, *diff.services)
        self._diff = diff
        self._managers = tuple(view.host for view in observed.views if view.manager)
        self._host = {one.id: view.host for view in observed.views for one in view.containers}

    def track(self, track: Track) -> Track:
        """The steps of a track, at their servers."""
        return tuple(placed for step in track for placed in self._of(step))

    def _of(self, step: Step) -> Iterable[Step]:
        if step.hosts or not (self._observed.is_cluster or self._has_replicas(step)):
            return (step,)
        return step.at(self)

    def _has_replicas(self, step: Step) -> bool:
        return isinstance(step, (ContainersStep, SetRestartPolicy)) and any(
            container.id in self.replicas for container in step.containers
        )

    def hosts_of(self, step: Step) -> tuple[str, ...]:
        """Servers of a step by its `runs_on`; empty for the first manager."""
        match step.runs_on:
            case "up":
                return self.up
            case "proxies":
                return self.proxies
            case "managers":
                return self._managers
            case "one manager":
                return self._managers[:1]
            case "issuer":
                return (self.issuer,)
            case "home":
                return (self._home_of(step),)
            case "placement":
                return (self._own_place(step.subject or ""),)
            case _:
                return ()

    def _home_of(self, step: Step) -> str:
        if self._home not in self.up:
            raise ServerError(
                f"{self._home} cannot be reached, and it is where jobs and hooks run",
                hint=f"to be done: {step.text}",
            )
        return self._home

    def lacking(self, image: str, owners: Sequence[str]) -> tuple[str, ...]:
        """Servers that lack an image: those of the dependencies that run it, or all for a service."""
        places = {
            change.name: (self._place(change),)
            for change in self._changes
            if isinstance(change, DependencyChange) and change.name in owners
        }
        wanted = [host for owner in owners for host in places.get(owner, self.up)]
        views = self._observed.views
        return tuple(view.host for view in views if view.host in wanted and not view.has_image(image))

    def using(self, volume: str) -> tuple[str, ...]:
        """Servers of the containers that use a volume."""
        users = [
            change
            for change in self._changes
            if any(mount.source == volume for mount in change.desired.spec.mounts)
        ]
        return tuple(dict.fromkeys(self._place(change) for change in users)) or (self.up[0],)

    def split(
        self, containers: Iterable[ContainerRef], service: str = ""
    ) -> tuple[Mapping[tuple[str, ...], tuple[ContainerRef, ...]], Mapping[ContainerRef, int]]:
        """Containers by server; replicas by Swarm service, with their number."""
        plain: dict[tuple[str, ...], tuple[ContainerRef, ...]] = defaultdict(tuple)
        services: dict[ContainerRef, int] = defaultdict(int)
        for ref in containers:
            if ref.id in self.replicas:
                replica = self.replicas[ref.id]
                services[ContainerRef(service_id(replica), replica.name.rpartition(".")[0])] += 1
            elif not self._observed.is_cluster:
                plain[()] += (ref,)
            elif ref.id:
                plain[(self._host[ref.id],)] += (ref,)
            elif service:
                plain[(self._own_place(service),)] += (ref,)
        return plain, services

    def _own_place(self, service: str) -> str:
        return next(self._place(change) for change in self._changes if change.name == service)

    def _place(self, change: AnyChange) -> str:
        assert self._diff is not None  # it has the change
        return server_of(self._diff, change)
