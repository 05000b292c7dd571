"""Watch of a release (`ftl deploy --watch`): its services, and changes not to be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.names import is_live_job, job_name
from ftl.deploy.plan.exclusive import stopped_before
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.watch import WatchedJob, WatchedService, WatchRelease
from ftl.deploy.plan.tracks.jobs import new_job_name
from ftl.deploy.replicas import alias_of
from ftl.engine import labels
from ftl.errors import UsageError
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.plan.changes import ServiceChange
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.model import Track


def watched(diff: Diff) -> tuple[ServiceChange, ...]:
    """The services whose old containers stay while the server watches the new ones."""
    if not diff.request.purpose.watch:
        return ()
    return tuple(change for change in diff.starting if change.current)


def watch_track(diff: Diff, by: str) -> Track:
    """Start the watch just before the switch: a deploy that is killed after it is watched, too."""
    changes = watched(diff)
    if not changes:
        return ()
    releases = [change.live for change in changes if change.live]
    return (
        WatchRelease(
            diff.project.name,
            diff.release,
            max(releases, key=release_number, default=""),
            by,
            diff.request.purpose.watch,
            tuple(_service(diff, change) for change in changes),
            stop=max(change.service.stop_timeout for change in changes),
            drain=max(change.service.drain_timeout for change in changes),
            jobs=tuple(_jobs(diff)),
        ),
    )


def _service(diff: Diff, change: ServiceChange) -> WatchedService:
    return WatchedService(
        change.name,
        _old_alias(diff, change),
        diff.switched[change.name],
        tuple(ContainerRef(container.id, container.name) for container in change.current),
        diff.new_containers(change),
        idle=not change.service.proxied_port,
    )


def _jobs(diff: Diff) -> Iterator[WatchedJob]:
    for change in diff.jobs.changes:
        if change.creates and change.current is not None:
            old = ContainerRef(change.current.id, change.current.name)
            yield WatchedJob(
                job_name(diff.project.name, change.name), new_job_name(diff.jobs, change, diff.release), old
            )


def _old_alias(diff: Diff, change: ServiceChange) -> str:
    return diff.observed.live_alias(change.name) or alias_of(change.current, change.leftovers)


def not_watched(diff: Diff) -> Iterator[str]:
    """The note of a deploy that has nothing to watch."""
    if diff.request.purpose.watch and not watched(diff):
        why = "nothing was live before" if diff.starting else "no service gets new containers"
        yield f"the release is not watched: {why}"


def refuse_unwatchable(diff: Diff) -> None:
    """Refuse to watch changes that the server could not undo by itself.

    Raises:
        UsageError: More changes than services that can serve beside their old containers.
    """
    if not watched(diff):
        return
    for reason in _reasons(diff):
        raise UsageError(
            f"--watch cannot take this release back: {reason}",
            hint=f"deploy without --watch, and use {ftl('rollback')} if needed",
        )


def _reasons(diff: Diff) -> Iterator[str]:
    if diff.observed.is_cluster:
        yield "one server cannot switch the proxies of the others"
    for change in diff.starting:
        service = change.service
        if not change.current:
            yield f"{change.name} is new"
        elif change.old_first:
            yield f"{change.name} stops its old containers first (`recreate` or `forwards`)"
        elif service.protocol == "tcp":
            yield f"connections to {change.name} do not go through the proxy (`protocol: tcp`)"
        elif not _old_alias(diff, change):
            yield f"{change.name} gets no requests at the moment"
    for dependency in diff.dependencies:
        if dependency.starts:
            yield f"{dependency.name} is {dependency.action}"
    for removed in diff.removed:
        yield f"{removed.name} is removed"
    for job in diff.jobs.changes:
        same = job.current is not None and is_live_job(job.current)
        if not same or (job.current and job.current.labels.get(labels.WHEN) != job.spec.labels[labels.WHEN]):
            yield f"the job {job.name} is new, or has another schedule"
    if diff.jobs.removed:
        yield f"the job {diff.jobs.removed[0].labels[labels.JOB]} is removed"
    if diff.target_site != diff.observed.site:
        yield "routes change"
    if stopped_before(diff):
        yield "containers on the same data must stop first"
    if not any(change.service.proxied_port for change in diff.starting):
        yield "none of its services gets requests through the proxy"
