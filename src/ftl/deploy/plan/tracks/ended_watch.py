"""End of a watch by another operation: its note, and the removal of kept containers.

The script on the server finds out by itself that it has nothing to watch any more, and leaves all to the operation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.observe.state import release_of
from ftl.deploy.plan.model import Stage
from ftl.deploy.plan.steps.base import refs
from ftl.deploy.plan.steps.containers import RestartContainers, StartContainers, StopAndRemove, StopContainers
from ftl.deploy.plan.steps.jobs import SwitchJobs
from ftl.deploy.plan.steps.proxy import ApplySite, Drain, Switch
from ftl.deploy.plan.tracks.cleanup import DRAIN_SECONDS, STOP_SECONDS
from ftl.engine import labels
from ftl.releases.record import release_number
from ftl.releases.watch import GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan, Track
    from ftl.engine.values import Container
    from ftl.releases.watch import ReleaseWatch


def open_watch(observed: Observed) -> ReleaseWatch | None:
    """The newest watch without an outcome whose release has live containers.

    A later release may serve other services. One that a restart of the server ended has no outcome either.
    """
    serving = {container.labels[labels.RELEASE] for container in _live(observed)}
    watches = [
        watch
        for watch in observed.watches.values()
        if watch.outcome == "watching" and watch.release in serving
    ]
    return max(watches, key=lambda watch: release_number(watch.release), default=None)


def running_watch(observed: Observed) -> ReleaseWatch | None:
    """The open watch, unless its time is over."""
    watch = open_watch(observed)
    return None if watch is None or watch.until + GRACE_SECONDS < observed.info.now else watch


def with_ended_watch(plan: Plan, project: Project, observed: Observed) -> Plan:
    """Add a note, and remove a running watch's containers, where a plan ends it. Pure.

    It does where it switches a service that is watched, stops one of its containers, old or new, drops the routes of
    the previous release, or changes jobs, whose crontab the server would write over.
    A plan that removes the whole project says enough. The project is as the operation leaves it.
    """
    watch = running_watch(observed)
    if watch is None or observed.is_cluster:
        return plan
    kept = _kept(observed, watch)
    services = {container.labels[labels.SERVICE] for container in kept}
    removed = {ref.id for step in plan.steps if isinstance(step, StopAndRemove) for ref in step.containers}
    if not kept or not _ends(plan, services, observed, kept) or _removes_all(plan, observed, removed):
        return plan
    stopped = {ref.id for step in plan.steps if isinstance(step, StopContainers) for ref in step.containers}
    left = [container for container in kept if container.id not in removed]
    tracks = tuple(_retire(project, observed, name, left, stopped) for name in sorted(services))
    stage = Stage("end of the watch", tuple(filter(None, tracks)))
    note = (
        f"this ends the watch of {watch.release}: the server does not switch back to {watch.before} by itself any "
        "more, and the containers that were kept for that go"
    )
    return replace(plan, stages=(*plan.stages, *((stage,) if left else ())), notes=(note, *plan.notes))


def _kept(observed: Observed, watch: ReleaseWatch) -> tuple[Container, ...]:
    """The containers of earlier releases that get no requests."""
    live = {container.id for container in _live(observed)}
    return tuple(
        container
        for container in observed.services
        if container.id not in live and release_of(container) < release_number(watch.release)
    )


def _live(observed: Observed) -> Iterator[Container]:
    for name in {container.labels[labels.SERVICE] for container in observed.services}:
        yield from observed.live_containers(name)


def _removes_all(plan: Plan, observed: Observed, removed: Set[str]) -> bool:
    starts = any(isinstance(step, (StartContainers, RestartContainers)) for step in plan.steps)
    return not starts and all(container.id in removed for container in observed.services)


def _ends(plan: Plan, services: Set[str], observed: Observed, kept: Sequence[Container]) -> bool:
    live = (container for name in services for container in observed.live_containers(name))
    watched = {container.id for container in (*kept, *live)}
    stored = observed.proxy.site(observed.project) if observed.proxy is not None else None
    both = stored.transition if stored is not None else None
    return any(
        (isinstance(step, ApplySite) and both is not None and step.site.transition != both)
        or isinstance(step, SwitchJobs)
        or (isinstance(step, Switch) and not services.isdisjoint(step.aliases))
        or (
            isinstance(step, (StopAndRemove, StopContainers))
            and any(ref.id in watched for ref in step.containers)
        )
        for step in plan.steps
    )


def _retire(
    project: Project, observed: Observed, name: str, kept: Sequence[Container], stopped: Set[str]
) -> Track:
    """Let a service's containers finish their requests, unless the plan has stopped them, and remove them."""
    own = [container for container in kept if container.labels[labels.SERVICE] == name]
    if not own:
        return ()
    service = next((service for service in project.services if service.name == name), None)
    stop = service.stop_timeout if service is not None else STOP_SECONDS
    drain = service.drain_timeout if service is not None else DRAIN_SECONDS
    addresses = tuple(
        endpoint.address
        for container in own
        if container.state == "running" and container.id not in stopped
        for endpoint in container.endpoints
        if endpoint.network == observed.network and endpoint.address
    )
    drained = (
        (Drain(name, addresses, drain),) if addresses and drain > 0 and observed.site is not None else ()
    )
    return (*drained, StopAndRemove(name, refs(own), stop, "the watch has ended"))
