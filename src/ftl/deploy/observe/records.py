"""Observed servers whose release records are readable: their store is made whole first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.releases.store import CONTAINER, VOLUME, ensure_store

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
    """Observe the servers; where the container of the records' store was pruned, create it anew.

    `docker system prune` removes it, for it never runs. The records are in its volume, and cannot be read without it.
    """
    observed = await observe(fleet, project, servers)
    unreadable = [
        server
        for server in observed.servers
        if any(volume.name == VOLUME for volume in server.volumes)
        and not any(container.name == CONTAINER for container in server.containers)
        and server.images
    ]
    if not unreadable:
        return observed
    await gather(ensure_store(fleet.at(server.name).engine, server.images[0].id) for server in unreadable)
    return await observe(fleet, project, servers)
