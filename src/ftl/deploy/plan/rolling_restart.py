"""Rolling restart: containers that are replaced one after the other. Pure."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from ftl.deploy.plan.exclusive import stop_before
from ftl.deploy.replicas import replaced_one_by_one

if TYPE_CHECKING:
    from ftl.deploy.plan.changes import ServiceChange
    from ftl.deploy.plan.diff import Diff
    from ftl.engine.values import Container

RestartedContainer = tuple["ServiceChange", "Container"]
"""A service, and the container that is replaced."""


def rolling_replacements(diff: Diff, change: ServiceChange) -> tuple[Container, ...]:
    """Containers of a service that a restart replaces one by one; the rest follows together.

    None where new containers cannot start beside the old ones, where requests cannot be sent to some of each (by the
    proxy's live file), and in a cluster, where the replicas of a release are one Swarm service.
    """
    switched = diff.proxied and bool(diff.observed.live_alias(change.name))
    if not (diff.request.purpose.restart and change.starts and switched) or diff.observed.is_cluster:
        return ()
    site = diff.transitional_site
    if change.old_first or stop_before(diff, change) or site is None or site.transition is not None:
        return ()
    return replaced_one_by_one(change.current)


def restart_rounds(diff: Diff) -> tuple[tuple[RestartedContainer, ...], ...]:
    """Rounds of a restart: each replaces one container of each service that has one left."""
    by_service = [
        [(change, container) for container in rolling_replacements(diff, change)] for change in diff.services
    ]
    return tuple(tuple(one for one in each if one is not None) for each in zip_longest(*by_service))
