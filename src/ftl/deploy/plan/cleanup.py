"""What has to go once a release is decided: old containers, what ftl.yaml no longer names, very old images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.plan.changes import once_live
from ftl.deploy.plan.steps import Drain, DropTags, Forget, StopAndRemove
from ftl.engine import labels
from ftl.proxy import project_network
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftl.config import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import ServiceDecision
    from ftl.deploy.plan.model import Track
    from ftl.deploy.plan.steps import Step
    from ftl.engine import Container

KEPT_RELEASES = 5
"""Images of so many releases of a service stay on the server, to go back to."""

DRAIN_SECONDS = 30.0
STOP_SECONDS = 10.0
"""What containers get of which ftl.yaml no longer says anything."""

DEPENDENCY_STOP = 30.0
"""Seconds a dependency gets to end: databases write out what they hold."""

Gone = tuple[str, tuple["Container", ...]]
"""A service or dependency that ftl.yaml no longer names, with its containers."""


def names(containers: Iterable[Container]) -> tuple[str, ...]:
    """The containers' names."""
    return tuple(one.name for one in containers)


def find_gone(project: Project, observed: Observed) -> tuple[Gone, ...]:
    """Services and dependencies on the server that ftl.yaml no longer names. Volumes are never among them."""
    known = {one.name for one in project.services} | {one.name for one in project.dependencies}
    found: dict[str, list[Container]] = {}
    for one in (*observed.services, *observed.dependencies.values()):
        if one.labels[labels.SERVICE] not in known:
            found.setdefault(one.labels[labels.SERVICE], []).append(one)
    return tuple((name, tuple(containers)) for name, containers in sorted(found.items()))


def clean_tracks(
    project: Project,
    observed: Observed,
    decisions: Sequence[ServiceDecision],
    gone: Sequence[Gone],
    *,
    replaced: Sequence[str],
    proxied: bool,
) -> Iterator[Track]:
    """The tracks of the last stage: each lets its containers finish, stops and removes them.

    Args:
        project: What was deployed.
        observed: What was there before.
        decisions: What happened to each service.
        gone: What ftl.yaml no longer names.
        replaced: The dependencies' containers that were set aside.
        proxied: Whether requests come through the proxy, so that there is something to drain.
    """
    for one in decisions:
        old = [*once_live(one), *(one.current if one.starts else ())]
        service = one.service
        if old:
            yield _retire(
                project, service.name, old, service.drain_timeout if proxied else 0, service.stop_timeout
            )
    for name, containers in gone:
        forget = (Forget(project.name, (name,)),) if proxied else ()
        drain = DRAIN_SECONDS if proxied else 0
        yield (*_retire(project, name, containers, drain, STOP_SECONDS, "no longer in ftl.yaml"), *forget)
    if replaced:
        yield (StopAndRemove("dependencies", tuple(replaced), DEPENDENCY_STOP),)
    tags = tuple(_old_tags(project, observed, decisions))
    if tags:
        yield (DropTags(tags),)


def _retire(
    project: Project,
    name: str,
    containers: Sequence[Container],
    drain: float,
    stop: float,
    why: str = "replaced",
) -> Track:
    network = project_network(project.name)
    addresses = tuple(
        place.address
        for one in containers
        for place in one.endpoints
        if one.state == "running" and place.network == network and place.address
    )
    steps: list[Step] = []
    if addresses and drain > 0:
        steps.append(Drain(name, addresses, drain))
    steps.append(StopAndRemove(name, names(containers), stop, why))
    return tuple(steps)


def _old_tags(project: Project, observed: Observed, decisions: Sequence[ServiceDecision]) -> Iterator[str]:
    """Tags that nobody goes back to: of releases that failed, and of live ones that are too old.

    An image that a container uses is left alone whatever its age.
    """
    used = {one.image for one in observed.containers}
    failed = {record.release for record in observed.releases if record.outcome == "failed"}
    for one in decisions:
        if not one.starts:
            continue
        stem = f"{project.name}-{one.service.name}:"
        tags = (tag for image in observed.images for tag in image.tags if tag.startswith(stem))
        by_number = {release_number(tag.removeprefix(stem)): tag for tag in tags}
        releases = [(number, by_number[number]) for number in sorted(by_number) if number]
        good = [tag for _, tag in releases if tag.removeprefix(stem) not in failed]
        # The release that is being made adds one to the good ones.
        kept = set(good[max(0, len(good) - KEPT_RELEASES + 1) :]) | used
        yield from (tag for _, tag in releases if tag not in kept)
