"""Servers of steps: on which ones of a cluster each step of a plan runs.

The planner says what is to be done; steps that concern one server of several name it already. The others say by their
class which they need (`Step.runs_on`, `Step.at`), and get them here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.observe.swarm import service_id
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.servers.catch_up import with_live_state
from ftl.deploy.plan.servers.placement import desired_server
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


def with_servers(stages: Iterable[Stage], diff: Diff) -> Iterator[Stage]:
    """Stages whose steps name their servers; with one server as they are.

    Raises:
        ServerError: A server that something is placed on cannot be reached.
    """
    yield from _at_servers(stages, diff.observed, diff.project.servers, diff)


def assign_servers(plan: Plan, observed: Observed, servers: Sequence[ClusterServer]) -> Plan:
    """A plan whose steps name their servers, as those that `make_plan` made do already.

    The plan starts nothing that was not there.

    Raises:
        ServerError: A server that something is placed on cannot be reached.
    """
    stages = with_live_state(_at_servers(plan.stages, observed, servers), observed, servers)
    down = tuple(
        f"{server} cannot be reached: nothing changes there"
        for server in observed.down
        if server not in observed.unreachable
        and not any(note.startswith(f"{server} cannot be reached") for note in plan.notes)
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
    """The `ServerLookup` of a plan.

    With one server it is that of a project that has come back from several, and has Swarm services still.
    """

    def __init__(self, observed: Observed, servers: Sequence[ClusterServer], diff: Diff | None) -> None:
        self.replicas = {one.id: one for one in observed.containers if service_id(one)}
        self.up = tuple(view.name for view in observed.views)
        self.proxies = tuple(view.name for view in observed.proxies)
        self.issuer = observed.issuer
        self.starts = diff is not None
        self.images: Mapping[str, frozenset[str]] = {
            view.name: frozenset(image.id for image in view.images) for view in observed.views
        }
        self.volumes: Mapping[str, frozenset[str]] = {
            view.name: frozenset(one.name for one in view.volumes) for view in observed.views
        }
        self.networks: Mapping[str, frozenset[str]] = {
            view.name: frozenset(one.name for one in view.networks if one.driver != "overlay")
            for view in observed.views
        }
        self._observed = observed
        self._first = servers[0].host if servers else ""
        self._changes: tuple[AnyChange, ...] = () if diff is None else (*diff.dependencies, *diff.services)
        self._diff = diff
        self._managers = tuple(view.name for view in observed.views if view.manager)
        self._server_of = {one.id: view.name for view in observed.views for one in view.containers}

    def track(self, track: Track) -> Track:
        return tuple(each for step in track for each in self._of(step))

    def _of(self, step: Step) -> Iterable[Step]:
        if step.servers or not (self._observed.is_cluster or self._has_replicas(step)):
            return (step,)
        return step.at(self)

    def _has_replicas(self, step: Step) -> bool:
        return isinstance(step, (ContainersStep, SetRestartPolicy)) and any(
            container.id in self.replicas for container in step.containers
        )

    def servers_of(self, step: Step) -> tuple[str, ...]:
        match step.runs_on:
            case "all":
                return self.up
            case "proxies":
                return self.proxies_for(step)
            case "issuer":
                self.proxies_for(step)
                return (self.issuer,)
            case "managers":
                return _reachable(self._managers, "no manager of the cluster", step)
            case "first":
                return (self._first_for(step),)
            case "placement":
                return (self._placement_of(step.subject or ""),)
            case _:
                return ()

    def proxies_for(self, step: Step) -> tuple[str, ...]:
        return _reachable(self.proxies, "no server with the role web", step)

    def _first_for(self, step: Step) -> str:
        if self._first not in self.up:
            raise ServerError(
                f"{self._first} cannot be reached, and jobs and hooks run there",
                hint=f"start it again, or write another server first in ftl.yaml; to be done: {step.text}",
            )
        return self._first

    def lacking(self, image: str, owners: Sequence[str]) -> tuple[str, ...]:
        placement = {
            change.name: (self._desired_server(change),)
            for change in self._changes
            if isinstance(change, DependencyChange) and change.name in owners
        }
        wanted = [server for owner in owners for server in placement.get(owner, self.up)]
        views = self._observed.views
        return tuple(view.name for view in views if view.name in wanted and not view.has_image(image))

    def using(self, volume: str) -> tuple[str, ...]:
        users = [
            change
            for change in self._changes
            if any(mount.source == volume for mount in change.desired.spec.mounts)
        ]
        return tuple(dict.fromkeys(self._desired_server(change) for change in users)) or (self.up[0],)

    def split(
        self, containers: Iterable[ContainerRef], service: str = ""
    ) -> tuple[Mapping[tuple[str, ...], tuple[ContainerRef, ...]], Mapping[ContainerRef, int]]:
        plain: dict[tuple[str, ...], tuple[ContainerRef, ...]] = defaultdict(tuple)
        services: dict[ContainerRef, int] = defaultdict(int)
        for ref in containers:
            if ref.id in self.replicas:
                replica = self.replicas[ref.id]
                services[ContainerRef(service_id(replica), replica.name.rpartition(".")[0])] += 1
            elif not self._observed.is_cluster:
                plain[()] += (ref,)
            elif ref.id:
                plain[(self._server_of[ref.id],)] += (ref,)
            elif service:
                plain[(self._placement_of(service),)] += (ref,)
        return plain, services

    def _placement_of(self, service: str) -> str:
        return next(self._desired_server(change) for change in self._changes if change.name == service)

    def _desired_server(self, change: AnyChange) -> str:
        assert self._diff is not None  # it has the change
        return desired_server(self._diff, change)


def _reachable(servers: tuple[str, ...], none: str, step: Step) -> tuple[str, ...]:
    if not servers:
        raise ServerError(f"{none} can be reached", hint=f"to be done: {step.text}")
    return servers
