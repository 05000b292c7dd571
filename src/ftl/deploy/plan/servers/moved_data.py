"""Moved data: refusal to start something elsewhere in a cluster than its data is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftl.common.next_step import ftl
from ftl.databases import official
from ftl.dataclass import dataclass
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.exclusive import has_data, writable_volumes
from ftl.deploy.plan.reasons import DEPENDENCIES, SERVICES, recorded_server
from ftl.deploy.plan.servers.placement import desired_server
from ftl.engine import labels
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.exclusive import AnyChange
    from ftl.deploy.plan.reasons import SectionList
    from ftl.engine.values import Container


@dataclass(frozen=True, slots=True)
class _Place:
    """Place of the data of something that would start elsewhere.

    Attributes:
        state: "gone" where the project no longer has that server.
        volume: The volume that shows it; empty where a container or the last record does.
    """

    server: str
    state: Literal["up", "down", "gone"]
    volume: str = ""


def refuse_moved_data(diff: Diff) -> None:
    """Refuse to start something on another server than its data is on.

    Raises:
        UsageError: `on` or the order of the servers names another one.
        ServerError: Its server cannot be reached.
    """
    for change in _bound(diff):
        wanted = desired_server(diff, change)
        place = _place(diff, change, wanted)
        if place is None or place.state == "gone" or not _may_have_data(change, place):
            continue
        given = change.dependency.on if isinstance(change, DependencyChange) else change.service.on
        places = "`on` places it on" if given else "without `on` it runs on the first server,"
        stays, cut = f"`on: {place.server}` keeps it there", ", which cannot be reached"
        raise UsageError(
            f"{change.name} has its data on {place.server}{cut if place.state == 'down' else ''}, "
            f"and {places} {wanted}",
            hint=f"{stays}; {_way(change, place, wanted)}",
        )


def moved_data_notes(diff: Diff) -> Iterator[str]:
    """Name services and dependencies that start without data on a server that is gone."""
    for change in _bound(diff):
        wanted = desired_server(diff, change)
        place = _place(diff, change, wanted)
        if place is None:
            continue
        if not _may_have_data(change, place):
            if place.state == "down":
                yield f"{change.name} ran on {place.server}, which cannot be reached: it starts on {wanted} as well"
        elif place.state == "gone":
            here = _volume_on(diff, change, wanted)
            start = f"starts on its volume {here} there" if here else "starts empty"
            yield (
                f"{change.name} had its data on {place.server}, which is not in `servers` any more: on {wanted} it "
                f"{start}; {ftl('restore')} brings back a backup"
            )


def _way(change: AnyChange, place: _Place, wanted: str) -> str:
    """The way to start it elsewhere although its data is not there."""
    if place.state == "down":
        return (
            f"if {place.server} is lost, take it out of `servers`: {change.name} then starts empty, and "
            f"{ftl('restore')} brings back a backup"
        )
    if place.volume:
        return f"to start empty on {wanted}, remove it first: `docker volume rm {place.volume}` on {place.server}"
    return f"or move the data first ({ftl('backup')}, {ftl('restore')})"


def _bound(diff: Diff) -> Iterator[AnyChange]:
    """Changes that start containers on one server of a cluster."""
    if not diff.observed.is_cluster:
        return
    yield from (change for change in diff.dependencies if change.starts)
    starting = (change for change in diff.services if change.starts or change.action == "scaled")
    yield from (change for change in starting if not change.is_spread)


def _place(diff: Diff, change: AnyChange, wanted: str) -> _Place | None:
    """The server that has the data, if it is another one than the wanted one.

    Its container shows it. Else the server of the last live release, where it cannot be reached: volumes elsewhere may
    be of before. Else a volume, which outlives its container; and at last that server, if the project has it no longer.
    """
    if current := _current(change):
        servers = (diff.observed.server_of(container) for container in current if has_data(container))
        return next((_Place(server, "up") for server in servers if server not in ("", wanted)), None)
    recorded = recorded_server(diff.observed, _sections(change), change.name)
    if recorded != wanted and recorded in diff.observed.down:
        return _Place(recorded, "down")
    if not _volume_on(diff, change, wanted):
        for view in diff.observed.views:
            if volume := _volume_on(diff, change, view.name):
                return _Place(view.name, "up", volume)
    gone = recorded not in {"", *(server.host for server in diff.project.servers)}
    return _Place(recorded, "gone") if gone else None


def _volume_on(diff: Diff, change: AnyChange, server: str) -> str:
    """A volume on a server that something would write to, or that was made for its image; or empty."""
    sources = writable_volumes(change.desired.spec.mounts)
    own = {labels.PROJECT: diff.project.name, labels.SERVICE: change.name}
    for view in diff.observed.views:
        for volume in view.volumes if view.name == server else ():
            if volume.name in sources or own.items() <= volume.labels.items():
                return volume.name
    return ""


def _may_have_data(change: AnyChange, place: _Place) -> bool:
    """Whether it has data where nobody sees a container: by its `volumes`, or as a known database."""
    if place.state == "up" or writable_volumes(change.desired.spec.mounts):
        return True
    database = official(change.dependency.image) if isinstance(change, DependencyChange) else None
    return database is not None and database.volume is not None


def _current(change: AnyChange) -> tuple[Container, ...]:
    if not isinstance(change, DependencyChange):
        return change.current
    return () if change.current is None else (change.current,)


def _sections(change: AnyChange) -> SectionList:
    return DEPENDENCIES if isinstance(change, DependencyChange) else SERVICES
