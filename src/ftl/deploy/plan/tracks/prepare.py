"""Preparation: tracks for networks, volumes, proxy and images of all new containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.names import network_of, volume_name
from ftl.deploy.observe.swarm import service_id
from ftl.deploy.plan import pins
from ftl.deploy.plan.desired.sources import BuiltImage, ImageOnServer, NamedImage, PinnedImage
from ftl.deploy.plan.records.pulled import is_unclaimed
from ftl.deploy.plan.steps.base import refs
from ftl.deploy.plan.steps.containers import EnsureVolume, StopAndRemove
from ftl.deploy.plan.steps.images import (
    BringImage,
    ClaimImage,
    OutgoingImage,
    PushPull,
    SendImages,
    TagPulled,
)
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    ConnectProxy,
    EnsureNetwork,
    EnsureProxy,
    RepairSwitch,
    UpgradeProxy,
)
from ftl.deploy.plan.steps.records import EnsureStore
from ftl.deploy.plan.steps.swarm_services import AdmitServer
from ftl.deploy.plan.tracks.cleanup import removal_tracks, retire_replicas, running_hooks, stop_timeout
from ftl.engine import labels
from ftl.proxy.live_state import at_server
from ftl.releases.record import loaded_by_ftl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.observe.state import ServerView
    from ftl.deploy.plan.changes import ServiceChange
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.model import Track
    from ftl.deploy.plan.steps.base import Step


INTERRUPTED = "left by an interrupted deploy"


def prepare_tracks(diff: Diff) -> Iterator[Track]:
    """Create network, volumes, proxy and record store; remove leftovers of interrupted deploys."""
    project, observed = diff.project, diff.observed
    network = network_of(project)
    ground: list[Step] = []
    # That of a cluster is made by `ftl setup`, which knows how the servers reach each other.
    if network not in {existing.name for existing in observed.networks} and not project.is_cluster:
        ground.append(EnsureNetwork(project.name, network))
    existing = {volume.name for volume in observed.volumes}
    away = (change for change in diff.dependencies if change.is_away)
    existing |= {mount.source for change in away for mount in change.desired.spec.mounts}
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
    ended = (hook for hook in hooks if hook.state != "running")
    yield from removal_tracks(ended, INTERRUPTED, lambda _: 0.0)
    yield from removal_tracks(running_hooks(diff), INTERRUPTED, lambda name: stop_timeout(diff, name))


def _at(server: ServerView) -> tuple[str, ...]:
    """The `servers` of a step on one server."""
    return (server.name,)


def _shared(diff: Diff, server: ServerView) -> Iterator[Step]:
    """Parts that all projects on a server share: the proxy, and the store of release records."""
    proxy, image, proxied = server.proxy, diff.project.proxy.image, diff.proxied and server.web
    needs_proxy = proxied and (proxy is None or not proxy.running)
    # The first also where it is no manager: runs of jobs, and where it sends messages, are stored there.
    is_first = server.name in [each.host for each in diff.project.servers[:1]]
    needs_store = (is_first or (diff.makes_release and server.manager)) and not any(
        container.role == labels.ROLE_STATE for container in server.containers
    )
    if (needs_proxy or needs_store) and not server.has_image(image):
        yield BringImage(image, server.info.platform, servers=_at(server))
    if needs_proxy:
        yield EnsureProxy(image, servers=_at(server))
    elif proxied and proxy is not None and proxy.leftovers:
        yield EnsureProxy(image, interrupted=True, servers=_at(server))
    if not needs_proxy and diff.request.purpose.upgrade_proxy and proxied:
        yield UpgradeProxy(image, servers=_at(server))
    if needs_store:
        yield EnsureStore(image, servers=_at(server))


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
                tagged = TagPulled(change.name, reference, diff.configured_image(change))
                # A server that joined since, or was away, gets it from one that has it.
                lacking = diff.observed.is_cluster and not diff.observed.has_image(reference)
                platform = diff.observed.info.platform
                yield (*((BringImage(reference, platform, (change.name,)),) if lacking else ()), tagged)
            case NamedImage() | PinnedImage():
                owners.setdefault(diff.service_image(change), []).append(change.name)
    for place, images in outgoing.items():
        yield (SendImages(tuple(images), loaded_by_ftl(diff.observed.releases), place),)
    for dependency in diff.dependencies:
        if dependency.starts:
            owners.setdefault(diff.dependency_image(dependency), []).append(dependency.name)
    for image, names in owners.items():
        present = diff.observed.has_image(image)
        bring = () if present else (BringImage(image, diff.observed.info.platform, tuple(names)),)
        yield (
            *bring,
            *((ClaimImage(image),) if is_unclaimed(diff.project.name, diff.observed.images, image) else ()),
        )
    yield from _images_of_joining(diff)


def _images_of_joining(diff: Diff) -> Iterator[Track]:
    """Images of services that stay as they are, for servers that joined: the Swarm may place a replica there."""
    staying = [change.current[0] for change in diff.services if not change.starts and change.current]
    images = dict.fromkeys(one.image for one in staying if service_id(one))
    for server in diff.observed.views if diff.is_whole else ():
        if server.name in diff.observed.joining:
            yield tuple(
                BringImage(image, server.info.platform, servers=_at(server))
                for image in images
                if not server.has_image(image)
            )


def joining_track(diff: Diff) -> Track:
    """Let the Swarm place replicas on servers that joined."""
    return tuple(AdmitServer(server) for server in diff.observed.joining) if diff.is_whole else ()


def _through_registry(diff: Diff, change: ServiceChange, built: BuiltImage, reference: str) -> Step:
    """Pushed and pulled; an image that was pulled before, for other settings, needs no registry."""
    tag = diff.configured_image(change)
    pulled = pins.registry_pin(diff.observed, change)
    if pulled:
        return TagPulled(change.name, pulled, tag)
    return PushPull(change.name, built.id, reference, tag, diff.observed.info.platform, built.on)


def proxy_tracks(diff: Diff, *, issuer: bool) -> Iterator[Track]:
    """Connect proxies to the project's network and give them the names of new services.

    The issuer gets certificates, or is the only one. The others come first, since the authority may ask them as soon as
    the issuer asks it for a certificate.
    """
    for server in diff.observed.proxies:
        if issuer != (server.name == diff.observed.issuer):
            continue
        yield tuple(_proxy_steps(diff, server))


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
            yield ConnectProxy(network, (), without, servers=_at(server))
        return
    aliases = tuple(sorted({name.service for name in site.all_internal} - direct))
    issuer = diff.observed.issuer
    name = diff.project.name
    stored = proxy.site(name) if proxy is not None else None
    own = at_server(site, server.name, issuer) if issuer else site
    connected = (
        proxy is not None
        and network in proxy.networks
        and network in {existing.name for existing in diff.observed.networks}
        and known is not None
        and set(aliases) <= named
        and not without
        and (own.place is None or (stored is not None and stored.place is not None))
    )
    if not connected:
        own_alias = (own.place.alias,) if own.place is not None else ()
        yield ConnectProxy(network, (*aliases, *own_alias), without, servers=_at(server))
    if stored != own or (proxy is not None and (not proxy.up_to_date or name in proxy.damaged)):
        yield ApplySite(site, diff.certificate, issuer, diff.left_subnets, servers=_at(server))
    lost = {**_behind(diff, server), **diff.unswitched}
    if lost:
        yield RepairSwitch(diff.project.name, lost, servers=_at(server))


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
