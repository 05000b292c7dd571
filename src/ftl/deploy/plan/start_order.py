"""Start order of services that have nothing running yet: after those that they depend on.

One that runs already is reachable throughout, by its live release, so nobody waits for its new one.
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.deploy.plan.changes import ServiceChange


def start_levels(changes: Sequence[ServiceChange]) -> Iterator[tuple[ServiceChange, ...]]:
    """Services in groups: each group starts once the one before it is healthy.

    Raises:
        CycleError: Services depend on each other, which `load` refuses.
    """
    order: TopologicalSorter[str] = TopologicalSorter(_awaited(changes))
    order.prepare()
    while order.is_active():
        ready = set(order.get_ready())
        yield tuple(change for change in changes if change.name in ready)
        order.done(*ready)


def named_early(changes: Sequence[ServiceChange]) -> frozenset[str]:
    """Services whose names answer as soon as they are healthy, before the switch.

    Nothing of them runs yet, and other new services may need them to become healthy. Of those with routes, only
    the ones that another service depends on: the public gets to a service by the switch.
    """
    needed = {name for names in _awaited(changes).values() for name in names}
    return frozenset(
        change.name
        for change in changes
        if change.action == "created"
        and change.service.proxied_port
        and (not change.service.routes or change.name in needed)
    )


def deciding_service(changes: Sequence[ServiceChange]) -> str:
    """Service whose live file decides between the routes of two releases: one without waiters."""
    early = named_early(changes)
    needed = {name for names in _awaited(changes).values() for name in names}
    names = {change.name for change in changes}
    return max(names - early or names - needed)


def _awaited(changes: Sequence[ServiceChange]) -> dict[str, set[str]]:
    """Service -> services that it depends on and that start now, with nothing running before."""
    first = {change.name for change in changes if change.action in ("created", "restarted")}
    return {change.name: first.intersection(change.service.depends_on) for change in changes}
