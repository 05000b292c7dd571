"""Observe servers, and repair their stores of release records before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.releases.file_copies import CONTAINER
from ftl.releases.pruned import restore_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.host.fleet import Fleet


async def observe_repaired(
    observe: Callable[[Fleet, str, Sequence[ClusterServer]], Awaitable[Observed]],
    fleet: Fleet,
    project: str,
    servers: Sequence[ClusterServer],
) -> Observed:
    """Observe the servers, and once more where a store had to be repaired to be read."""
    observed = await observe(fleet, project, servers)
    return await observe(fleet, project, servers) if await repair_stores(fleet, observed) else observed


async def repair_stores(fleet: Fleet, observed: Observed) -> bool:
    """Recreate the containers of stores that were pruned; returns whether there was one."""
    restored = await gather(
        restore_store(fleet.at(server.name).engine, server.images, server.volumes)
        for server in observed.servers
        if all(container.name != CONTAINER for container in server.containers)
    )
    return any(restored)
