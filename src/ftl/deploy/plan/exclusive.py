"""Exclusive data: containers that must stop before another one starts on the same data.

A dependency's volume is never mounted in two running containers, and a service with `recreate: true` never runs twice,
whatever is renamed or moved between services and dependencies. Seen without this: PostgreSQL started on the data
directory of one that still took writes; of 2,150 rows that were acknowledged 1,570 were left.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_bool
from ftl.common.next_step import ftl
from ftl.deploy.plan.changes import DependencyChange, ServiceChange
from ftl.deploy.plan.desired.specs import dependency_container, service_container
from ftl.engine import labels
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.diff import Diff
    from ftl.engine.values import Container, Mount

AnyChange = ServiceChange | DependencyChange


def stop_before(diff: Diff, change: AnyChange) -> tuple[Container, ...]:
    """Running containers that leave, and must not run together with those that start."""
    sources = writable_volumes(change.desired.spec.mounts)
    leaving = _leaving(diff)
    if isinstance(change, ServiceChange):
        exclusive = change.service.recreate
        beside = change.once_live if exclusive else ()
        containers = [
            container
            for container in leaving
            if _excludes(diff.observed, container, sources, exclusive=exclusive)
        ]
        return (*containers, *(container for container in beside if container.state == "running"))
    sharing = [container for container in leaving if sources & writable_volumes(container.mounts)]
    sharing += [container for container, volumes in _given_up(diff) if volumes & sources]
    return tuple({container.id: container for container in sharing}.values())


def stopped_before(diff: Diff) -> frozenset[str]:
    """IDs of the containers that are stopped before others start."""
    changes: list[AnyChange] = [*diff.starting]
    changes += [change for change in diff.dependencies if change.starts]
    return frozenset(container.id for change in changes for container in stop_before(diff, change))


def in_order(diff: Diff) -> tuple[tuple[DependencyChange, ...], ...]:
    """Dependencies by tracks: one that takes over another's volume comes after that one.

    Raises:
        UsageError: Some exchange their volumes.
    """
    graph = {change.name: set(_givers(diff, change)) for change in diff.dependencies}
    if not any(graph.values()):
        return tuple((change,) for change in diff.dependencies)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError:
        names = ", ".join(sorted(name for name, givers in graph.items() if givers))
        raise UsageError(
            f"{names} exchange their volumes",
            hint="deploy in two steps: give one of them another volume first",
        ) from None
    return (tuple(sorted(diff.dependencies, key=lambda change: order.index(change.name))),)


def refuse_shared_data(diff: Diff) -> None:
    """Refuse a plan that starts something on the data of a container that stays.

    A volume that ftl.yaml gives to both is left to the user. What stays is what a partial deploy leaves alone.

    Raises:
        UsageError: Nothing was touched.
    """
    changes: list[AnyChange] = [*diff.services, *diff.dependencies]
    starting = [change for change in changes if change.starts]
    gone = {container.id for change in starting for container in _own(change)} | {
        container.id for container in _leaving(diff)
    }
    # One that is stopped and stays so is in nobody's way.
    idle = {container.id for container in diff.observed.containers if container.state == "exited"}
    idle -= {container.id for change in changes if change.action == "restarted" for container in _own(change)}
    for change in starting:
        sources = writable_volumes(change.desired.spec.mounts)
        for container in (*diff.observed.services, *diff.observed.dependencies.values()):
            dependency = isinstance(change, DependencyChange) or _is_dependency(container)
            shared = sources & writable_volumes(container.mounts) - _asked(diff, container)
            if dependency and shared and container.id not in gone | idle:
                raise UsageError(
                    f"{change.name} would use the data of {container.name}, which this deploy leaves running",
                    hint=f"deploy all services together: {ftl('deploy')}",
                )


def _leaving(diff: Diff) -> list[Container]:
    """Containers that ftl.yaml no longer names, and parked ones."""
    containers = [
        container
        for service in diff.removed
        for container in service.containers
        if container.state != "exited"
    ]
    return containers + [
        container for container in diff.observed.parked_dependencies if container.state == "running"
    ]


def _given_up(diff: Diff) -> Iterator[tuple[Container, set[str]]]:
    """Running containers of services that are replaced, with the volumes that the new ones do not use."""
    for change in diff.starting:
        kept = writable_volumes(change.desired.spec.mounts)
        # Those that never were live are removed before anything starts.
        for container in (*change.current, *change.once_live):
            if container.state != "exited":
                yield container, writable_volumes(container.mounts) - kept


def _givers(diff: Diff, change: DependencyChange) -> Iterator[str]:
    """Dependencies that are replaced and whose volume this one takes over."""
    sources = writable_volumes(change.desired.spec.mounts) if change.starts else set()
    for dependency in diff.dependencies:
        if dependency.name != change.name and dependency.starts and dependency.current is not None:
            volumes = writable_volumes(dependency.current.mounts) - writable_volumes(
                dependency.desired.spec.mounts
            )
            if volumes & sources:
                yield dependency.name


def _own(change: AnyChange) -> tuple[Container, ...]:
    """The containers that a change replaces, and those that it removes afterwards."""
    if isinstance(change, ServiceChange):
        return (*change.current, *change.leftovers)
    return () if change.current is None else (change.current,)


def _asked(diff: Diff, container: Container) -> set[str]:
    """Volumes that ftl.yaml gives to the service or dependency of a container."""
    project, name = diff.project, container.labels[labels.SERVICE]
    desired = (
        [
            dependency_container(project, dependency)
            for dependency in project.dependencies
            if dependency.name == name
        ]
        if _is_dependency(container)
        else [service_container(project, service) for service in project.services if service.name == name]
    )
    return {source for container in desired for source in writable_volumes(container.spec.mounts)}


def _excludes(observed: Observed, container: Container, sources: set[str], *, exclusive: bool) -> bool:
    shares = bool(sources & writable_volumes(container.mounts))
    if _is_dependency(container):
        return shares
    return exclusive and (shares or _was_exclusive(observed, container))


def _is_dependency(container: Container) -> bool:
    return container.role == labels.ROLE_DEPENDENCY


def writable_volumes(mounts: Iterable[Mount]) -> set[str]:
    """Volumes and folders that are mounted to be written to."""
    return {mount.source for mount in mounts if not mount.read_only}


def has_data(container: Container) -> bool:
    """Whether a container writes to volumes or folders, other than those of its `files`."""
    files = container.labels.get(labels.FILES, "").splitlines()
    return bool(writable_volumes(mount for mount in container.mounts if mount.target not in files))


def _was_exclusive(observed: Observed, container: Container) -> bool:
    """Whether a container is of a service that had `recreate: true`, by the last live release's record."""
    name, entries = container.labels[labels.SERVICE], observed.live_sections("services")
    return any(entry.get("name") == name and as_bool(entry.get("recreate")) for entry in entries)
