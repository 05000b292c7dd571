"""Exclusive data: containers that must stop before another one starts on the same data.

A dependency's volume is never mounted in two running containers, and a service with `recreate: true` never runs twice,
whatever is renamed or moved between services and dependencies. Seen without this: PostgreSQL started on the data
directory of one that still took writes; of 2,150 rows that were acknowledged 1,570 were left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.json_fields import as_bool, as_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftl.config import Service
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import RemovedService
    from ftl.engine.values import Container, Mount


def stop_before_dependency(
    mounts: Iterable[Mount], observed: Observed, removed: Iterable[RemovedService]
) -> tuple[Container, ...]:
    """Running containers that leave, and use a volume of a dependency that is about to start."""
    sources = _writable(mounts)
    return tuple(
        container for container in _leaving(observed, removed) if sources & _writable(container.mounts)
    )


def stop_before_service(
    service: Service, mounts: Iterable[Mount], observed: Observed, removed: Iterable[RemovedService]
) -> tuple[Container, ...]:
    """Running containers that leave, and must not run beside a service that is about to start."""
    sources = _writable(mounts)

    def excludes(container: Container) -> bool:
        shares = bool(sources & _writable(container.mounts))
        if container.labels[labels.ROLE] == labels.ROLE_DEPENDENCY:
            return shares
        return service.recreate and (shares or _was_exclusive(observed, container))

    return tuple(container for container in _leaving(observed, removed) if excludes(container))


def _leaving(observed: Observed, removed: Iterable[RemovedService]) -> Iterator[Container]:
    for service in removed:
        yield from (container for container in service.containers if container.state != "exited")
    yield from (container for container in observed.parked_dependencies if container.state == "running")


def _writable(mounts: Iterable[Mount]) -> set[str]:
    return {mount.source for mount in mounts if not mount.read_only}


def _was_exclusive(observed: Observed, container: Container) -> bool:
    """Whether a container is of a service that had `recreate: true`, by the last live release's record."""
    live = observed.live_record
    if live is None:
        return False
    name = container.labels[labels.SERVICE]
    entries = as_objects(live.project.get("services"))
    return any(entry.get("name") == name and as_bool(entry.get("recreate")) for entry in entries)
