"""Watch of a release (`ftl deploy --watch`): its services, and changes not to be undone."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.plan.exclusive import stopped_before
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.watch import WatchedJob, WatchedRoutes, WatchedService, WatchRelease
from ftl.deploy.plan.tracks.jobs import lines_after, lines_before, new_job_name
from ftl.deploy.plan.tracks.notifications import told_lines
from ftl.deploy.replicas import alias_of
from ftl.errors import UsageError
from ftl.proxy.site import Site
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
    before = lines_before(diff.jobs)
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
            crontab=before if before != lines_after(diff.jobs) else None,
            routes=_routes(diff),
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
        if change.creates:
            old = None if change.current is None else ContainerRef(change.current.id, change.current.name)
            yield WatchedJob(new_job_name(diff.jobs, change, diff.release), old)
    for container in diff.jobs.removed:
        yield WatchedJob("", ContainerRef(container.id, container.name))


def _routes(diff: Diff) -> WatchedRoutes | None:
    """The routes of both releases; None where they are the same."""
    before, both, after = diff.observed.site, diff.transitional_site, diff.target_site
    if before is None or both is None or after is None or both.transition is None:
        return None
    return WatchedRoutes(before, after)


def keeps_routes(diff: Diff) -> bool:
    """Whether the proxy keeps the previous routes while the server may go back to them."""
    return bool(watched(diff)) and _routes(diff) is not None


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
    before = diff.observed.site
    reached = {name.service for name in before.internal} if before is not None else set()
    for change in diff.starting:
        service = change.service
        if not change.current:
            yield f"{change.name} is new"
        elif change.old_first:
            yield f"{change.name} stops its old containers first (`recreate` or `forwards`)"
        elif service.protocol == "tcp":
            yield f"connections to {change.name} do not go through the proxy (`protocol: tcp`)"
        elif bool(service.proxied_port) != (change.name in reached):
            yield f"{change.name} is reached in another way (its port or protocol)"
        elif not _old_alias(diff, change):
            yield f"{change.name} gets no requests at the moment"
    for dependency in diff.dependencies:
        # One that is added stays; the release before does not know of it.
        if dependency.starts and dependency.current is not None:
            yield f"{dependency.name} is {dependency.action}, and the previous release needs it as it was"
    for removed in diff.removed:
        yield f"{removed.name} is removed"
    if settings := _changed_settings(diff):
        yield f"settings of the proxy change ({', '.join(settings)})"
    if _told_of_changes(diff):
        yield "what the server sends messages about changes with its hosts or jobs (`notify`)"
    if stopped_before(diff):
        yield "containers on the same data must stop first"
    if not any(change.service.proxied_port for change in diff.starting):
        yield "none of its services gets requests through the proxy"


def _told_of_changes(diff: Diff) -> bool:
    """Whether the server hears of other hosts or jobs, which the script does not take back."""
    if _routes(diff) is None and lines_before(diff.jobs) == lines_after(diff.jobs):
        return False
    return any(_subjects(server.notify) != _subjects(lines) for server, lines in told_lines(diff))


def _subjects(lines: bytes) -> set[bytes]:
    return {line for line in lines.splitlines() if line.startswith((b"host ", b"job "))}


def _changed_settings(diff: Diff) -> list[str]:
    """Fields of the site that do not go back with the live files, as routes do."""
    before, after = diff.observed.site, diff.target_site
    if before is None or after is None:
        return ["routes"] if before != after else []
    by_live_files = {"routes", "redirects", "internal", "h2c"} if _routes(diff) is not None else set()
    names = (field.name for field in fields(Site) if field.name not in by_live_files)
    return [name for name in names if getattr(before, name) != getattr(after, name)]
