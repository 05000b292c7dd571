"""The tracks of a plan up to the switch: ground, images, dependencies, new containers, hooks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ftl.deploy.plan import pins
from ftl.deploy.plan.changes import never_live
from ftl.deploy.plan.checks import dependency_check, service_check
from ftl.deploy.plan.cleanup import names
from ftl.deploy.plan.specs import container_names, hook_spec, release_spec, volume_name
from ftl.deploy.plan.steps import (
    ApplySite,
    Attach,
    BringImage,
    EnsureNetwork,
    EnsureProxy,
    EnsureStore,
    EnsureVolume,
    OpenName,
    Outgoing,
    PointAgain,
    PushPull,
    RunHook,
    SendImages,
    StartAgain,
    StartContainers,
    StartDependency,
    Step,
    StopAndRemove,
    StopOld,
    TagPulled,
    UpgradeProxy,
    WaitHealthy,
)
from ftl.engine import labels
from ftl.proxy import project_network
from ftl.releases.record import brought

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.plan.changes import DependencyDecision, ServiceDecision
    from ftl.deploy.plan.diff import Comparison
    from ftl.deploy.plan.model import Track

CUT_OFF = "left by a deploy that was cut off"


def prepare_tracks(compared: Comparison) -> Iterator[Track]:
    """Network and volumes; the proxy and the place for records; what dead deploys left goes."""
    project, observed = compared.project, compared.observed
    network = project_network(project.name)
    ground: list[Step] = []
    if network not in {one.name for one in observed.networks}:
        ground.append(EnsureNetwork(project.name, network))
    there = {one.name for one in observed.volumes}
    volumes = (volume_name(project.name, name) for name in project.volumes)
    ground += [EnsureVolume(project.name, name) for name in volumes if name not in there]
    yield tuple(ground)
    yield tuple(_shared(compared))
    for one in compared.services:
        dead = never_live(one)
        if dead:
            yield (StopAndRemove(one.service.name, names(dead), 0.0, CUT_OFF),)
    hooks = observed.of_role(labels.ROLE_HOOK)
    if hooks:
        yield (StopAndRemove("hooks", names(hooks), 0.0, CUT_OFF),)


def _shared(compared: Comparison) -> Iterator[Step]:
    """What all projects on the server share: the proxy, and the place for records."""
    observed, image = compared.observed, compared.project.proxy.image
    needs_proxy = compared.proxied and (observed.proxy is None or not observed.proxy.running)
    needs_store = compared.makes_release and not any(
        one.labels.get(labels.ROLE) == labels.ROLE_STATE for one in observed.containers
    )
    if needs_proxy or needs_store:
        yield from _bring(compared, image)
    if needs_proxy:
        yield EnsureProxy(image)
    elif compared.upgrade_proxy and compared.proxied:
        yield UpgradeProxy(image)
    if needs_store:
        yield EnsureStore(image)


def _bring(compared: Comparison, reference: str) -> Iterator[Step]:
    if not compared.observed.has_image(reference):
        yield BringImage(reference, compared.observed.info.platform)


def image_tracks(compared: Comparison) -> Iterator[Track]:
    """Built images are sent together; the others come from registries, each by itself."""
    direct = []
    for one in compared.starting:
        name, reference = one.service.name, one.service.image
        if name in compared.images and reference is None:
            direct.append(Outgoing(name, compared.images[name].id, compared.image_of(one), one.content))
        elif name in compared.images and reference is not None:
            yield (_by_registry(compared, one, reference),)
    if direct:
        yield (SendImages(tuple(direct), brought(compared.observed.releases)),)
    foreign = [
        compared.source_of(one) for one in compared.starting if one.service.name not in compared.images
    ]
    foreign += [compared.source_of_dependency(one) for one in compared.dependencies if one.starts]
    for image in dict.fromkeys(foreign):
        yield tuple(_bring(compared, image))


def _by_registry(compared: Comparison, one: ServiceDecision, reference: str) -> Step:
    """Pushed and pulled; an image that was pulled before, for other settings, needs no registry."""
    name, tag = one.service.name, compared.image_of(one)
    there = pins.by_registry(compared.observed, one)
    if there:
        return TagPulled(name, there, tag)
    return PushPull(name, compared.images[name].id, reference, tag, compared.observed.info.platform)


def proxy_track(compared: Comparison) -> Track:
    """The proxy joins the project's network and learns its inner names, before any container needs them."""
    early = compared.early
    if early is None:
        return ()
    network = project_network(compared.project.name)
    proxy, known = compared.observed.proxy, compared.observed.site
    aliases = tuple(sorted({one.service for one in early.internal}))
    attached = (
        proxy is not None
        and network in proxy.networks
        and network in {one.name for one in compared.observed.networks}
        and known is not None
        and set(aliases) <= {one.service for one in known.internal}
    )
    steps: list[Step] = [] if attached else [Attach(network, aliases)]
    if known != early or (proxy is not None and not proxy.up_to_date):
        steps.append(ApplySite(early, compared.certificate))
    if compared.forgotten:
        steps.append(PointAgain(compared.project.name, compared.forgotten))
    return tuple(steps)


def dependency_track(compared: Comparison, one: DependencyDecision) -> Track:
    """A dependency starts (again), and is healthy before any service starts."""
    name = one.dependency.name
    container = f"{compared.project.name}-{name}"
    wait = WaitHealthy(name, (container,), dependency_check(one.dependency))
    if one.starts:
        replaces = one.current.name if one.current else None
        spec = replace(one.wanted.spec, image=compared.source_of_dependency(one))
        return (StartDependency(name, container, spec, replaces, one.why), wait)
    return (StartAgain(name, (container,)), wait) if one.action == "restarted" else ()


def service_track(compared: Comparison, one: ServiceDecision) -> Track:
    """A service's new containers start beside the old (or after them, where both cannot run) and become healthy."""
    service, name, project = one.service, one.service.name, compared.project.name
    check = service_check(compared.project, service)
    if one.action == "restarted":
        return (StartAgain(name, one.stopped), WaitHealthy(name, one.stopped, check))
    if not one.starts:
        return ()
    containers = container_names(project, name, compared.release, service.replicas)
    image = compared.source_of(one)
    spec = release_spec(project, one.wanted, release=compared.release, image=image, content=one.content)
    steps: list[Step] = [StopOld(name, names(one.current), service.stop_timeout)] if one.old_first else []
    steps += [StartContainers(name, containers, spec, one.why), WaitHealthy(name, containers, check)]
    if one.live is None and service.port and not service.routes:
        steps.append(OpenName(name, project, compared.alias(name)))
    return tuple(steps)


def hook_track(compared: Comparison, when: Literal["pre", "post"]) -> Track:
    """The hooks of all services that change, one after the other, in the order of ftl.yaml."""
    return tuple(step for one in compared.starting for step in _hooks(compared, one, when))


def _hooks(compared: Comparison, one: ServiceDecision, when: Literal["pre", "post"]) -> Iterator[RunHook]:
    hook = one.service.hooks.pre if when == "pre" else one.service.hooks.post
    if hook is None:
        return
    project, name, release = compared.project.name, one.service.name, compared.release
    container = f"{project}-{name}-{release}-{when}"
    image = compared.source_of(one)
    if hook.local:
        spec = hook_spec(project, one.wanted, release=release, image=image, command=hook.local)
        yield RunHook(name, when, "local", hook.local, spec, container)
    if hook.remote:
        spec = hook_spec(project, one.wanted, release=release, image=image, command=hook.remote)
        yield RunHook(name, when, "remote", hook.remote, spec, container)
