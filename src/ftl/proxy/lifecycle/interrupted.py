"""Finish a replacement of the proxy that was interrupted, or take it back.

The server replaces the proxy by itself (`upgrade`), so a replacement that FTL does not see the end of is usually
finished seconds later. What only a crash of the server, or of FTL where the server has no docker command, can leave
behind is put right here by the next command. Containers are told apart by label and volume, since their names change
meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.errors import EngineError
from ftl.proxy.state import own_containers, serving

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.proxy.names import ProxyNames

SUFFIXES = ("old", "new", "failed", "check")
"""Ends of the names of containers that exist during an upgrade."""

_PATIENCE = 5.0
"""Seconds for the server to finish by itself while a proxy runs under its name."""

_PATIENCE_WITHOUT_PROXY = 20.0
"""Seconds to do so while none does: the old one is stopping, or the new one is starting."""

_INTERVAL = 0.25


async def finish_upgrade(engine: Engine, names: ProxyNames) -> None:
    """Leave one container of the proxy, under its name; return at once where there is one.

    A proxy that runs is kept; where none runs, the one with the name is (the new one, once the renaming is done).
    """
    waited = 0.0
    while True:
        own = own_containers(await engine.containers(), names)
        kept = serving(own, names)
        if kept is None or (len(own) == 1 and kept.name == names.container):
            return
        ready = kept.state == "running" and kept.name == names.container
        if waited >= (_PATIENCE if ready else _PATIENCE_WITHOUT_PROXY):
            break
        await asyncio.sleep(_INTERVAL)
        waited += _INTERVAL
    await _keep(engine, names, kept, [container for container in own if container.id != kept.id])


async def _keep(engine: Engine, names: ProxyNames, kept: Container, others: list[Container]) -> None:
    if kept.name != names.container:
        for other in others:
            if other.name == names.container:
                await engine.rename(other.id, f"{names.container}-failed")
        await engine.rename(kept.id, names.container)
    if kept.state != "running":
        try:
            await engine.start(kept.id)
        except EngineError:
            return  # the caller starts it, and reports why it cannot
    for other in others:
        await engine.remove(other.id, force=True)
