"""Rollout: tracks up to the switch (images, dependencies, hooks, new containers)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.names import fresh_name, network_of, parked_name, service_name, volume_name
from ftl.deploy.plan import pins
from ftl.deploy.plan.desired.sources import BuiltImage, ImageOnServer, NamedImage, PinnedImage
from ftl.deploy.plan.desired.specs import release_spec
from ftl.deploy.plan.exclusive import stop_before
from ftl.deploy.plan.placement import constraints_of, is_spread, open_places_of
from ftl.deploy.plan.steps import (
    ApplySite,
    BringImage,
    ConnectProxy,
    ContainerRef,
    CreateService,
    EnsureNetwork,
    EnsureProxy,
    EnsureStore,
    EnsureVolume,
    OutgoingImage,
    PublishName,
    PushPull,
    RepairSwitch,
    RestartContainers,
    SendImages,
    StartContainers,
    StartDependency,
    Step,
    StopAndRemove,
    StopOld,
    TagPulled,
    UpgradeProxy,
    WaitHealthy,
    WaitTasks,
)
from ftl.deploy.plan.tracks.cleanup import DEPENDENCY_STOP, refs, retire_replicas, running_hooks, stop_timeout
from ftl.engine import labels
from ftl.health.spec import dependency_health, service_health
from ftl.releases.record import loaded_by_ftl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.observe.state import ServerView
    from ftl.deploy.plan.changes import DependencyChange, ServiceChange
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.model import Track
    from ftl.engine.values import ContainerSpec, Mount
    from ftl.health.spec import HealthSpec

INTERRUPTED = "left by an interrupted deploy"


def prepare_tracks(diff: Diff) -> Iterator[Track]:
    """Create network, volumes, proxy and record store; remove what interrupted deploys left."""
    project, observed = diff.project, diff.observed
    network = network_of(project)
    ground: list[Step] = []
    # That of a cluster is made by `ftl setup`, which knows how the servers reach each other.
    if network not in {existing.name for existing in observed.networks} and not project.is_cluster:
        ground.append(EnsureNetwork(project.name, network))
    existing = {volume.name for volume in observed.volumes}
    volumes = (volume_name(project.name, name) for name in project.volumes)
    ground += [EnsureVolume(project.name, name) for name in volumes if name not in existing]
    yield tuple(ground)
    for server in observed.servers:
        yield tuple(_shared(diff, server))
    for change in diff.services:
        if change.never_live:
            yield (StopAndRemove(change.name, refs(change.never_live), 0.0, INTERRUPTED),)
        taken = diff.colliding(change)
        if taken:
            yield retire_replicas(diff, change, taken, INTERRUPTED)
    hooks = observed.of_role(labels.ROLE_HOOK)
    ended = [hook for hook in hooks if hook.state != "running"]
    if ended:
        yield (StopAndRemove("hooks", refs(ended), 0.0, INTERRUPTED),)
    for hook in running_hooks(diff):
        yield (StopAndRemove("hooks", refs([hook]), stop_timeout(diff, hook), INTERRUPTED),)


def _at(server: ServerView) -> tuple[str, ...]:
    """The `hosts` of a step on one server."""
    return (server.host,) if server.host else ()


def _shared(diff: Diff, server: ServerView) -> Iterator[Step]:
    """What all projects on a server share: the proxy, and the store of release records."""
    proxy, image, proxied = server.proxy, diff.project.proxy.image, diff.proxied and server.web
    needs_proxy = proxied and (proxy is None or not proxy.running)
    needs_store = (
        diff.makes_release
        and server.manager
        and not any(container.labels.get(labels.ROLE) == labels.ROLE_STATE for container in server.containers)
    )
    if (needs_proxy or needs_store) and not server.has_image(image):
        yield BringImage(image, server.info.platform, hosts=_at(server))
    if needs_proxy:
        yield EnsureProxy(image, hosts=_at(server))
    elif proxied and proxy is not None and proxy.leftovers:
        yield EnsureProxy(image, interrupted=True, hosts=_at(server))
    if not needs_proxy and diff.request.upgrade_proxy and proxied:
        yield UpgradeProxy(image, hosts=_at(server))
    if needs_store:
        yield EnsureStore(image, hosts=_at(server))


def image_tracks(diff: Diff) -> Iterator[Track]:
    """Built images are sent together; the others come from registries, each by itself."""
    outgoing: dict[str, list[OutgoingImage]] = {}
    owners: dict[str, list[str]] = {}
    for change in diff.starting:
        match change.source:
            case BuiltImage(local, content, place):
                if change.service.image is None:
                    tag = diff.configured_image(change)
                    outgoing.setdefault(place, []).append(OutgoingImage(change.name, local, tag, content))
                else:
                    yield (_through_registry(diff, change, change.source, change.service.image),)
            case ImageOnServer(reference):
                yield (TagPulled(change.name, reference, diff.configured_image(change)),)
            case NamedImage() | PinnedImage():
                owners.setdefault(diff.service_image(change), []).append(change.name)
    for place, images in outgoing.items():
        yield (SendImages(tuple(images), loaded_by_ftl(diff.observed.releases), place),)
    for dependency in diff.dependencies:
        if dependency.starts:
            owners.setdefault(diff.dependency_image(dependency), []).append(dependency.name)
    for image, names in owners.items():
        if not diff.observed.has_image(image):
            yield (BringImage(image, diff.observed.info.platform, tuple(names)),)


def _through_registry(diff: Diff, change: ServiceChange, built: BuiltImage, reference: str) -> Step:
    """Pushed and pulled; an image that was pulled before, for other settings, needs no registry."""
    tag = diff.configured_image(change)
    pulled = pins.registry_pin(diff.observed, change)
    if pulled:
        return TagPulled(change.name, pulled, tag)
    return PushPull(change.name, built.id, reference, tag, diff.observed.info.platform, built.on)


def proxy_tracks(diff: Diff) -> Iterator[Track]:
    """Connect each proxy to the project's network and give it the names of new services."""
    for server in diff.observed.proxies:
        yield tuple(replace(step, hosts=_at(server)) for step in _proxy_steps(diff, server))


def _proxy_steps(diff: Diff, server: ServerView) -> Iterator[Step]:
    site = diff.transitional_site
    network = network_of(diff.project)
    proxy = server.proxy
    known = diff.observed.site if proxy is None or diff.project.name in proxy.sites else None
    named = {name.service for name in known.all_internal} if known is not None else set()
    direct = {service.name for service in diff.project.services if service.protocol == "tcp"}
    without = tuple(sorted(direct & named))
    if site is None:
        if without:
            yield ConnectProxy(network, (), without)
        return
    aliases = tuple(sorted({name.service for name in site.all_internal} - direct))
    connected = (
        proxy is not None
        and network in proxy.networks
        and network in {existing.name for existing in diff.observed.networks}
        and known is not None
        and set(aliases) <= named
        and not without
    )
    if not connected:
        yield ConnectProxy(network, aliases, without)
    name = diff.project.name
    stored = proxy.site(name) if proxy is not None else None
    if stored != site or (proxy is not None and (not proxy.up_to_date or name in proxy.damaged)):
        yield ApplySite(site, diff.certificate)
    lost = {**_behind(diff, server), **diff.unswitched}
    if lost:
        yield RepairSwitch(diff.project.name, lost)


def _behind(diff: Diff, server: ServerView) -> dict[str, str]:
    """Service -> live alias, where one proxy of several says something else: it was away, or is new."""
    known = server.proxy.live if server.proxy is not None else {}
    live = {
        change.name: diff.observed.live_alias(change.name)
        for change in diff.services
        if change.service.proxied_port
    }
    return {
        name: alias for name, alias in live.items() if alias and known.get((diff.project.name, name)) != alias
    }


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
    start = StartDependency(
        name,
        container,
        change.desired.spec,
        diff.dependency_image(change),
        replaces=ContainerRef(current.id, current.name) if current else None,
        why=change.why,
        parked=parked_name(current) if current else "",
        fresh=fresh_name(container, diff.release),
        carried=_carried(diff, change),
    )
    return (*_stop_first(diff, change), start, WaitHealthy(name, (ContainerRef("", container),), check))


_NAMELESS = re.compile(r"[0-9a-f]{64}")
"""Name that the engine gives a volume that was created with its container, for a VOLUME of the image."""


def _carried(diff: Diff, change: DependencyChange) -> tuple[Mount, ...]:
    """Nameless volumes of the container that is replaced: they would go with it, and the data in them."""
    parked = [
        container
        for container in diff.observed.parked_dependencies
        if container.labels[labels.SERVICE] == change.name
    ]
    before = change.current or max(parked, key=lambda container: container.created, default=None)
    mounts = before.mounts if before is not None else ()
    return tuple(mount for mount in mounts if _NAMELESS.fullmatch(mount.source))


def _stop_first(diff: Diff, change: ServiceChange | DependencyChange) -> Iterator[StopOld]:
    """Stop what must not run beside the new containers of a service or dependency."""
    containers = stop_before(diff, change)
    if containers:
        yield StopOld(change.name, refs(containers), DEPENDENCY_STOP, "it uses the same data")


def service_track(diff: Diff, change: ServiceChange) -> Track:
    """Start new containers beside the old ones, or after them, and wait for their health."""
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
    spec = release_spec(
        project,
        change.desired,
        release=diff.release_of(change),
        content=change.source.content,
        generation=diff.generation(change),
    )
    numbers = tuple(range(1, service.replicas + 1))
    steps += _stop_first(diff, change)
    if is_spread(diff.project, change):
        return (*steps, *_swarm_service(diff, change, spec))
    if change.old_first:
        steps.append(StopOld(name, refs(change.current), service.stop_timeout))
    steps.append(
        StartContainers(
            name, diff.new_containers(change), spec, diff.service_image(change), change.why, numbers
        )
    )
    steps.append(_healthy(diff, change))
    if name in diff.named_early:
        steps.append(PublishName(name, project, diff.alias(change)))
    return tuple(steps)


def _swarm_service(diff: Diff, change: ServiceChange, spec: ContainerSpec) -> Iterator[Step]:
    """Start a service on several servers, and wait for each of its tasks."""
    project, name = diff.project, change.name
    service = service_name(project.name, name, diff.generation_name(change))
    replicas = change.service.replicas
    yield CreateService(
        name,
        service,
        spec,
        diff.service_image(change),
        change.why,
        replicas,
        open_places_of(diff, change.service),
        constraints_of(diff, change.service),
    )
    yield WaitTasks(name, service, replicas, _check(diff, change))
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


def _joining(diff: Diff, change: ServiceChange) -> StartContainers:
    """Start more containers of the live release, of the image that the others run."""
    like = change.current[0]
    spec = release_spec(
        diff.project.name,
        change.desired,
        release=diff.release_of(change),
        content=like.labels[labels.CONTENT],
        generation=diff.generation(change),
        added=not change.joins_at_once,
    )
    names = diff.new_containers(change)
    return StartContainers(change.name, names, spec, like.image, change.why, change.added, joins=True)
