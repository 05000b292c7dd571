"""Rollout: tracks of dependencies and services up to the switch (containers, health)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.names import fresh_name, parked_name, service_name
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.desired.specs import created_spec, release_spec, replica_spec
from ftl.deploy.plan.exclusive import stop_before
from ftl.deploy.plan.rolling_restart import rolling_replacements
from ftl.deploy.plan.servers.placement import constraints_of, open_servers_for
from ftl.deploy.plan.steps.base import ContainerRef, Step, refs
from ftl.deploy.plan.steps.containers import (
    RestartContainers,
    StartContainers,
    StartDependency,
    StopOld,
    WaitHealthy,
)
from ftl.deploy.plan.steps.proxy import PublishName, ReachFromProxies, RepairSwitch
from ftl.deploy.plan.steps.swarm_services import CreateSwarmService, WaitSwarmTasks
from ftl.deploy.plan.tracks.cleanup import DEPENDENCY_STOP
from ftl.deploy.replicas import generation_of, joined_mark, number_of
from ftl.engine import labels
from ftl.health.spec import dependency_health, service_health

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.plan.changes import ServiceChange
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.model import Track
    from ftl.engine.specs import ContainerSpec
    from ftl.engine.values import Container, Mount
    from ftl.health.spec import HealthSpec


def dependency_track(diff: Diff, change: DependencyChange) -> Track:
    """A dependency starts, or starts again, and is healthy before any service starts."""
    name, current = change.name, change.current
    check = dependency_health(change.dependency)
    if change.action == "restarted" and current is not None:
        again = RestartContainers(name, refs([current]))
        return (*_stop_first(diff, change), again, WaitHealthy(name, refs([current]), check))
    if not change.starts:
        return ()
    container = f"{diff.project.name}-{name}"
    replaced = None if change.moves else current
    carried = () if change.moves else _carried(diff, change)
    taken = {mount.target for mount in carried}
    mounts = tuple(mount for mount in change.desired.spec.mounts if mount.target not in taken)
    start = StartDependency(
        name,
        container,
        created_spec(replace(change.desired.spec, mounts=mounts), proven=True),
        diff.dependency_image(change),
        replaces=ContainerRef(replaced.id, replaced.name) if replaced else None,
        why=change.why,
        parked=parked_name(replaced) if replaced else "",
        fresh=fresh_name(container, diff.release),
        carried=carried,
    )
    healthy = WaitHealthy(name, (ContainerRef("", container),), check)
    return (*_stop_first(diff, change), start, healthy)


_NAMELESS = re.compile(r"[0-9a-f]{64}")
"""Name that the engine gives a volume that was created with its container, for a VOLUME of the image."""


def _carried(diff: Diff, change: DependencyChange) -> tuple[Mount, ...]:
    """Nameless volumes of the container that is replaced: they would go with it, and the data in them.

    Those of its files go: the new container has its own, and a secret does not outlive the container.
    """
    parked = [
        container
        for container in diff.observed.parked_dependencies
        if container.labels[labels.SERVICE] == change.name
    ]
    before = change.current or max(parked, key=lambda container: container.created, default=None)
    if before is None:
        return ()
    files = before.labels.get(labels.FILES, "").splitlines()
    return tuple(
        mount for mount in before.mounts if _NAMELESS.fullmatch(mount.source) and mount.target not in files
    )


def _stop_first(diff: Diff, change: ServiceChange | DependencyChange) -> Iterator[StopOld]:
    """Stop containers that must not run together with the new ones of a service or dependency."""
    containers = stop_before(diff, change)
    if containers:
        yield StopOld(change.name, refs(containers), DEPENDENCY_STOP, "it uses the same data")
    if isinstance(change, DependencyChange) and change.moves and change.current is not None:
        # The new one answers under the same name in the network.
        yield StopOld(change.name, refs([change.current]), DEPENDENCY_STOP, "it moves to another server")


def service_track(diff: Diff, change: ServiceChange) -> Track:
    """Start new containers next to the old ones, or after them, and wait for their health."""
    service, name, project = change.service, change.name, diff.project.name
    check = _check(diff, change)
    steps: list[Step] = []
    if change.action in ("restarted", "scaled") and change.stopped:
        stopped = refs(change.stopped)
        # Nothing is switched: there would be no release to go back to.
        steps += [
            RestartContainers(name, stopped),
            WaitHealthy(name, stopped, replace(check, early=False)),
        ]
    if diff.narrows_first(change):
        steps.append(RepairSwitch(project, {name: change.staying[0].name}))
    if change.added:
        steps += [_joining(diff, change), _healthy(diff, change)]
    if not change.starts:
        return tuple(steps)
    spec = _spec(diff, change, change.source.content)
    steps += _stop_first(diff, change)
    if change.is_spread:
        return (*steps, *_swarm_service(diff, change, spec))
    if change.old_first:
        steps.append(StopOld(name, refs(change.current), service.stop_timeout))
    before = {number_of(container) for container in rolling_replacements(diff, change)}
    names = {
        number: container
        for number, container in enumerate(diff.new_containers(change), 1)
        if number not in before
    }
    specs = tuple(created_spec(replica_spec(spec, number)) for number in names)
    image = diff.service_image(change)
    steps.append(StartContainers(name, tuple(names.values()), specs, image, change.why))
    steps.append(WaitHealthy(name, tuple(ContainerRef("", each) for each in names.values()), check))
    if name in diff.named_early:
        steps.append(PublishName(name, project, diff.alias(change)))
    return tuple(steps)


def replacement_track(diff: Diff, change: ServiceChange, old: Container) -> Track:
    """Start one new container next to those that are live, to replace one of them."""
    number = number_of(old)
    joined = joined_mark(generation_of(old), number - 1)
    spec = _spec(diff, change, change.source.content, joined=joined)
    new = diff.new_containers(change)[number - 1]
    specs = (created_spec(replica_spec(spec, number)),)
    start = StartContainers(change.name, (new,), specs, diff.service_image(change), change.why)
    return (start, WaitHealthy(change.name, (ContainerRef("", new),), _check(diff, change)))


def _swarm_service(diff: Diff, change: ServiceChange, spec: ContainerSpec) -> Iterator[Step]:
    """Start a service on several servers, and wait for each of its tasks."""
    project, name = diff.project, change.name
    service = service_name(project.name, name, diff.generation_name(change))
    replicas = change.service.replicas
    yield CreateSwarmService(
        name,
        service,
        spec,
        diff.service_image(change),
        change.why,
        replicas,
        open_servers_for(diff, change.service),
        constraints_of(diff, change.service),
    )
    yield WaitSwarmTasks(name, service, replicas, _check(diff, change))
    if name in diff.named_early:
        yield PublishName(name, project.name, diff.alias(change))


def _healthy(diff: Diff, change: ServiceChange) -> WaitHealthy:
    """Wait for the containers of a service that are started."""
    containers = tuple(ContainerRef("", name) for name in diff.new_containers(change))
    return WaitHealthy(change.name, containers, _check(diff, change))


def _check(diff: Diff, change: ServiceChange) -> HealthSpec:
    """Health check of a service; an image and configuration that were live before do not have to settle."""
    check = service_health(diff.project, change.service)
    before = (
        record.services.get(change.name) for record in diff.observed.releases if record.outcome == "live"
    )
    identity = (change.source.content, change.desired.config)
    proven = any(entry is not None and (entry.content, entry.config) == identity for entry in before)
    return replace(check, settle=0.0) if proven else check


def _spec(
    diff: Diff, change: ServiceChange, content: str, *, added: bool = False, joined: str = ""
) -> ContainerSpec:
    """Spec of a service's new containers, whose image has a content."""
    release, generation = diff.release_of(change), diff.generation(change)
    return release_spec(
        diff.project.name,
        change.desired,
        release=release,
        content=content,
        generation=generation,
        added=added,
        joined=joined,
    )


def _joining(diff: Diff, change: ServiceChange) -> StartContainers:
    """Start more containers of the live release, of the image that the others run."""
    like = change.current[0]
    spec = _spec(diff, change, like.labels[labels.CONTENT], added=not change.joins_at_once)
    specs = tuple(created_spec(replica_spec(spec, number), proven=True) for number in change.added)
    names = diff.new_containers(change)
    return StartContainers(change.name, names, specs, like.image, change.why, joins=True)


def reach_track(diff: Diff, change: ServiceChange) -> Track:
    """Try the way from the proxies of a cluster to new containers, perhaps elsewhere.

    Health is seen from their own. A proxy that is cut off reaches none, and answers 503 until it does.
    """
    proxies = tuple(view.name for view in diff.observed.proxies if not view.cut_off)
    port = change.service.proxied_port
    if not diff.observed.is_cluster or port is None or not proxies:
        return ()
    replicas = change.service.replicas
    return (ReachFromProxies(change.name, diff.alias(change), port, replicas, servers=proxies),)
