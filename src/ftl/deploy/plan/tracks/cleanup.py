"""Cleanup once a release is decided: old containers, removed services, old images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.names import network_of
from ftl.deploy.observe.abandoned import abandoned
from ftl.deploy.plan.exclusive import has_data, stopped_before
from ftl.deploy.plan.records.pulled import sending_images
from ftl.deploy.plan.rolling_restart import rolling_replacements
from ftl.deploy.plan.steps.base import ContainerRef, refs
from ftl.deploy.plan.steps.containers import SetRestartPolicy, StopAndRemove, StopContainers
from ftl.deploy.plan.steps.images import DropPulled, DropTags
from ftl.deploy.plan.steps.jobs import RemoveJobs
from ftl.deploy.plan.steps.proxy import Drain, RemoveRoutes
from ftl.deploy.plan.steps.records import AmendRecords, CompactRecords
from ftl.deploy.plan.tracks.notifications import told_lines
from ftl.deploy.plan.tracks.watch import watched
from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Set

    from ftl.deploy.plan.changes import ServiceChange
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.model import Track
    from ftl.deploy.plan.records.retention import Retention
    from ftl.deploy.plan.steps.base import Step
    from ftl.deploy.plan.steps.images import PulledImage
    from ftl.engine.values import Container

DRAIN_SECONDS = 30.0
STOP_SECONDS = 10.0
"""Drain and stop timeouts, in seconds, of services that ftl.yaml no longer describes."""

DEPENDENCY_STOP = 30.0
"""Seconds a dependency gets to stop: databases write their memory to the disk."""


def removal_tracks(
    containers: Iterable[Container], why: str, seconds: Callable[[str], float]
) -> tuple[Track, ...]:
    """Tracks that stop and remove containers, one for each service or dependency.

    Containers of neither (jobs, one-off runs) have a track each, under their own name. `seconds` has the time that
    containers of a name get to stop.
    """
    by_owner: dict[str, list[Container]] = {}
    for container in containers:
        by_owner.setdefault(container.labels.get(labels.SERVICE, container.name), []).append(container)
    return tuple(
        (StopAndRemove(name, refs(own), seconds(name), why),) for name, own in sorted(by_owner.items())
    )


def clean_tracks(diff: Diff, retention: Retention) -> Iterator[Track]:
    """The tracks of the stage "clean up": each lets containers finish, stops and removes them."""
    services = {service.name for service in diff.project.services}
    kept = {change.name for change in watched(diff)}
    for change in diff.services:
        early = {container.id for container in diff.colliding(change)}
        old = [container for container in change.once_live if container.id not in early]
        if change.name in kept:
            # The server goes back to these by itself. Two releases of a worker do not run at once.
            if not change.service.proxied_port:
                yield (StopContainers(change.name, refs(change.current), change.service.stop_timeout),)
        else:
            gone = {container.id for container in rolling_replacements(diff, change)}
            leaving = change.current if change.starts else change.leaving
            old += [container for container in leaving if container.id not in gone]
        if old:
            yield retire_replicas(
                diff, change, old, "replaced" if change.starts else change.why or "replaced"
            )
    for removed in diff.removed:
        drain = DRAIN_SECONDS if diff.proxied else 0
        track = _retire(diff, removed.name, removed.containers, drain, STOP_SECONDS, diff.gone_why)
        forget = diff.proxied and removed.name not in services
        yield (*track, *((RemoveRoutes(diff.project.name, (removed.name,)),) if forget else ()))
    yield from removal_tracks(abandoned(diff.observed), "left over", lambda _: STOP_SECONDS)
    parked = (*diff.observed.parked_dependencies, *_replaced_dependencies(diff))
    yield from removal_tracks(parked, "replaced", lambda _: DEPENDENCY_STOP)
    if not diff.request.services and not diff.request.purpose.same_release:
        doubled = (one for one in diff.doubled_dependencies if not has_data(one))
        yield from removal_tracks(doubled, "it runs on another server", lambda _: DEPENDENCY_STOP)
    # While the new release is watched, the one before may become the live one again.
    records = _records(diff, retention) if diff.makes_release and not kept else ()
    # An engine needs a second to remove an image. After the records, which say that a rollback can have it.
    yield (*records, *_drop(_unneeded_tags(diff, retention, frozenset())))
    yield _drop_pulled(_unneeded_images(diff, retention, frozenset()))


def tags_track(diff: Diff, retention: Retention, tracks: Iterable[Track]) -> Track:
    """Drop tags and images that no rollback needs, once these tracks have removed containers.

    Those that no container has are dropped by `clean_tracks` meanwhile.
    """
    gone = frozenset(ref.id for track in tracks for step in track for ref in _removed(diff, step))
    dropped = set(_unneeded_tags(diff, retention, frozenset()))
    tags = _drop(tag for tag in _unneeded_tags(diff, retention, gone) if tag not in dropped)
    earlier = set(_unneeded_images(diff, retention, frozenset()))
    images = (image for image in _unneeded_images(diff, retention, gone) if image not in earlier)
    return (*tags, *_drop_pulled(images))


def _drop_pulled(images: Iterable[PulledImage]) -> Track:
    dropped = tuple(images)
    return (DropPulled(dropped, measured=True),) if dropped else ()


def _unneeded_images(diff: Diff, retention: Retention, removed: Set[str]) -> tuple[PulledImage, ...]:
    """Pulled images that no rollback needs, when these containers are removed."""
    if diff.request.purpose.same_release:
        return ()
    starting = [diff.service_image(change) for change in diff.starting]
    starting += [diff.dependency_image(change) for change in diff.dependencies if change.starts]
    starting += [image for _, lines in told_lines(diff) for image in sending_images(lines)]
    return retention.unused_pulled(removed=removed, named=starting)


def _drop(tags: Iterable[str]) -> Track:
    dropped = tuple(tags)
    return (DropTags(dropped, measured=True),) if dropped else ()


def _unneeded_tags(diff: Diff, retention: Retention, removed: Set[str]) -> Iterator[str]:
    """Tags that no rollback needs, when these containers are removed.

    Also without changes: a clean-up that was interrupted leaves some.
    """
    if diff.request.purpose.same_release:
        return
    services = {change.name for change in diff.services}
    yield from retention.unused_tags(services, removed=removed)
    # That of an image that starts now is needed.
    starts = {diff.dependency_image(change) for change in diff.dependencies}
    for tag in retention.unused_dependency_tags(diff.observed.images, removed=removed):
        if tag not in starts:
            yield tag


def _removed(diff: Diff, step: Step) -> tuple[ContainerRef, ...]:
    if isinstance(step, RemoveJobs):
        running = {container.id for container in diff.observed.containers if container.state == "running"}
        return tuple(ref for ref in step.containers if ref.id not in running)
    return step.containers if isinstance(step, StopAndRemove) else ()


def _records(diff: Diff, retention: Retention) -> Iterator[Step]:
    """Keep the stored records of earlier releases small."""
    old = retention.old_records
    summed = {record.release for record in old}
    outdated = tuple(record for record in retention.outdated_records if record.release not in summed)
    if outdated:
        yield AmendRecords(diff.project.name, outdated, "no longer kept for a rollback")
    if old:
        yield CompactRecords(diff.project.name, old)


def policy_track(diff: Diff) -> Track:
    """Set the restart policy of running containers that stay and are without theirs.

    Those of 0.1.0 were created without; others were when an operation was killed before they were healthy, or before
    it had stopped them.

    Containers that do not run may have been stopped on purpose, and keep theirs.
    """
    observed = diff.observed
    live = observed.live_releases
    stay = [container for container in observed.services if container.labels[labels.RELEASE] in live]
    stay += observed.dependencies.values()
    if observed.proxy is not None and not diff.request.purpose.upgrade_proxy:
        stay += [container for container in observed.containers if container.id == observed.proxy.container]
    leave = {container.id for removed in diff.removed for container in removed.containers}
    leave |= {container.id for change in diff.starting for container in change.current}
    leave |= {container.id for change in diff.services for container in (*change.leftovers, *change.leaving)}
    leave |= {container.id for container in _replaced_dependencies(diff)}
    without = [
        container
        for container in stay
        if container.state == "running"
        and container.id in observed.policies
        and observed.policies[container.id] != container.labels.get(labels.RESTART, "always")
        and container.id not in leave
    ]
    return (SetRestartPolicy(refs(without)),) if without else ()


def _replaced_dependencies(diff: Diff) -> Iterator[Container]:
    """Containers that this plan parks; its steps use their observed names."""
    for change in diff.dependencies:
        if change.current is not None and change.action == "replaced":
            yield change.current


def retire_replicas(diff: Diff, change: ServiceChange, containers: Sequence[Container], why: str) -> Track:
    """Let containers of a service finish their requests, stop and remove them."""
    service = change.service
    still_reached = (
        change.action == "scaled" and change.name not in diff.switched and containers == [*change.leaving]
    )
    answered = bool(service.proxied_port) or service.name in diff.named_before
    drained = diff.proxied and answered and not still_reached
    return _retire(
        diff, service.name, containers, service.drain_timeout if drained else 0, service.stop_timeout, why
    )


def _retire(
    diff: Diff,
    name: str,
    containers: Sequence[Container],
    drain: float,
    stop: float,
    why: str = "replaced",
) -> Track:
    network = network_of(diff.project)
    stopped = stopped_before(diff)
    serving = [
        container for container in containers if container.state == "running" and container.id not in stopped
    ]
    addresses = tuple(
        endpoint.address
        for container in serving
        for endpoint in container.endpoints
        if endpoint.network == network and endpoint.address
    )
    steps: list[Step] = []
    if addresses and drain > 0:
        steps.append(Drain(name, addresses, drain))
    steps.append(StopAndRemove(name, refs(containers), stop, why))
    return tuple(steps)


def running_hooks(diff: Diff) -> Iterator[Container]:
    """Hooks of an interrupted deploy that still run, perhaps a migration."""
    return (hook for hook in diff.observed.of_role(labels.ROLE_HOOK) if hook.state == "running")


def stop_timeout(diff: Diff, name: str) -> float:
    """Seconds that the containers of a service get to end."""
    timeouts = (service.stop_timeout for service in diff.project.services if service.name == name)
    return next(timeouts, STOP_SECONDS)


def interrupted(diff: Diff) -> Iterator[Container]:
    """Containers that interrupted deploys left: never live, and hooks. Removed first."""
    for change in diff.services:
        yield from change.never_live
    yield from diff.observed.of_role(labels.ROLE_HOOK)
