"""Observe servers, and repair their release records before anything is changed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather, loop_time
from ftl.errors import FtlError, ServerError
from ftl.events import Note
from ftl.releases.file_copies import CONTAINER
from ftl.releases.pruned import restore_store
from ftl.releases.store import copy_records, write_hold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.observer import Observe
    from ftl.deploy.observe.state import Observed, ServerView
    from ftl.events import Emit
    from ftl.host.fleet import Fleet

WORD_SECONDS = 20.0
"""Seconds until the Swarm calls a server down that was just lost, and some more.

It misses three signs of life, 5 s each.
"""

UNKNOWN_SECONDS = 60.0
"""Seconds until the Swarm calls a server down that was lost together with its leader.

The new leader calls all servers "unknown", and waits for six signs of life.
"""

_ASK_SECONDS = 2.0


async def observe_reachable(
    observe: Observe,
    fleet: Fleet,
    project: str,
    servers: Sequence[ClusterServer],
    emit: Emit,
) -> Observed:
    """Observe servers that are to be changed; refuse where only we do not reach one.

    What runs there would stay as it is. Later, a server that has come back is no reason to stop. A note says for which
    server it waits.

    Raises:
        ServerError: One that does not answer is not down.
    """
    observed = await observe_repaired(observe, fleet, project, servers)
    began = loop_time()
    noted: Mapping[str, float] = {}
    while waits := _waits(observed, loop_time() - began):
        for server, limit in sorted(waits.items() - noted.items()):
            wait = f"waiting up to {limit:g} s for the cluster to call it down"
            emit(Note(f"{server} cannot be reached from here: {wait}"))
        noted = waits
        await asyncio.sleep(_ASK_SECONDS)
        with suppress(ServerError):  # while a leader is elected
            observed = await observe(fleet, project, servers)
    for server in observed.unreachable:
        why = fleet.missing[server]
        raise ServerError(unreachable_text(server), cause=why.summary, hint=REACH_HINT)
    return observed


def _waits(observed: Observed, waited: float) -> dict[str, float]:
    """Servers of which the Swarm may still say that they are down -> seconds until it does."""
    limits = {
        server: UNKNOWN_SECONDS if state == "unknown" else WORD_SECONDS
        for server, state in observed.unreachable.items()
    }
    return {server: limit for server, limit in limits.items() if waited < limit}


REACH_HINT = "run the command from where all servers can be reached, or make `ssh` to it work from here"


def unreachable_text(server: str) -> str:
    """The sentence about a server that only we do not reach."""
    return f"{server} cannot be reached from here, and is not down: it would keep the previous release"


async def observe_repaired(
    observe: Observe,
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


async def bring_records(fleet: Fleet, observed: Observed) -> None:
    """Bring managers that were away what the others have recorded meanwhile.

    A failure waits for the next change. The caller has the project's lock.
    """

    async def bring(view: ServerView) -> None:
        engine = fleet.at(view.name).engine
        with suppress(FtlError):  # its store may not be there yet
            if view.lacks:
                await copy_records(engine, observed.project, view.lacks)
            if view.lacks_hold:
                await write_hold(engine, observed.project, observed.hold, ended=observed.hold_time)

    await gather(bring(view) for view in observed.views if view.lacks or view.lacks_hold)
