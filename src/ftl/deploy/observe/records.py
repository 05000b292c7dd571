"""Observe servers after repairing their store of release records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.releases.generations import CONTAINER
from ftl.releases.pruned import restore_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.host.fleet import Fleet


async def observe_with_records(
    observe: Callable[[Fleet, str, Sequence[ClusterServer]], Awaitable[Observed]],
    fleet: Fleet,
    project: str,
    servers: Sequence[ClusterServer],
) -> Observed:
    """Observe the servers; where the container of the records' store was pruned, recreate it."""
    observed = await observe(fleet, project, servers)
    restored = await gather(
        restore_store(fleet.at(server.name).engine, server.images, server.volumes)
        for server in observed.servers
        if all(container.name != CONTAINER for container in server.containers)
    )
    return await observe(fleet, project, servers) if any(restored) else observed
