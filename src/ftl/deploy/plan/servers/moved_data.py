"""Moved data: refusal to start something elsewhere in a cluster than its data is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.exclusive import writable_volumes
from ftl.deploy.plan.servers.placement import desired_server
from ftl.engine import labels
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.exclusive import AnyChange
    from ftl.engine.values import Container


def refuse_moved_data(diff: Diff) -> None:
    """Refuse to start something on another server than its data is on.

    Raises:
        UsageError: `on` names another server.
        ServerError: Its server cannot be reached.
    """
    for change in _bound(diff):
        wanted = desired_server(diff, change)
        for container in _current(change):
            where = diff.observed.server_of(container)
            if where not in ("", wanted) and _has_data(container):
                given = change.dependency.on if isinstance(change, DependencyChange) else change.service.on
                places = "`on` places it on" if given else "without `on` it runs on the first server,"
                raise UsageError(
                    f"{change.name} has its data on {where}, and {places} {wanted}",
                    hint=f"write `on: {where}`, or move the data first ({ftl('backup')}, {ftl('restore')})",
                )


def _bound(diff: Diff) -> Iterator[AnyChange]:
    """Changes that start containers on one server of a cluster."""
    if not diff.observed.is_cluster:
        return
    yield from (change for change in diff.dependencies if change.starts)
    starting = (change for change in diff.services if change.starts or change.action == "scaled")
    yield from (change for change in starting if not change.is_spread)


def _current(change: AnyChange) -> tuple[Container, ...]:
    if not isinstance(change, DependencyChange):
        return change.current
    return () if change.current is None else (change.current,)


def _has_data(container: Container) -> bool:
    """Whether it has volumes or folders that it writes to, other than those of its `files`."""
    files = container.labels.get(labels.FILES, "").splitlines()
    return bool(writable_volumes(mount for mount in container.mounts if mount.target not in files))
