"""Finish a replacement of the proxy that was interrupted, or take it back.

Whoever replaces the proxy (`upgrade`) has its lock, and the script by which the server does it keeps that: what
is found under the lock has nobody any more. Only a crash of the server, or of FTL where the server has no docker
command, leaves it; the next command puts it right. FTL 0.1.0 and its script have no such lock: they have some seconds
to finish. Containers are told apart by label and volume, since their names change meanwhile.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.aio import loop_time
from ftl.errors import EngineError
from ftl.locks.lock import ProxyLock
from ftl.locks.loss import cancelled_if_lost
from ftl.proxy.state import own_containers, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.proxy.names import ProxyNames
    from ftl.ssh.machine import Machine

SUFFIXES = ("old", "new", "failed", "check")
"""Ends of the names of containers that exist during an upgrade."""

LOCK_SECONDS = 360.0
"""Seconds for another deploy to replace the proxy, with its steps before that."""

_PATIENCE = 5.0
"""Seconds for FTL 0.1.0 to finish while a proxy runs under its name."""

_PATIENCE_WITHOUT_PROXY = 20.0
"""Seconds to do so while none does: the old one is stopping, or the new one is starting."""

_INTERVAL = 0.25


async def finish_upgrade(engine: Engine, machine: Machine, names: ProxyNames) -> None:
    """Leave one container of the proxy, under its name; return at once where there is one.

    Raises:
        LockTaken: Somebody replaces it, and does not end.
        ServerError: The lock was lost.
    """
    if await _find(engine, names) is not None:
        async with (
            proxy_locked(engine, machine, names, "finishes a replacement of the proxy") as (_, heartbeat),
            cancelled_if_lost(heartbeat),
        ):
            await finish_under_lock(engine, names)


async def finish_under_lock(engine: Engine, names: ProxyNames) -> None:
    """Do it under the lock of the proxy.

    A proxy that runs is kept; where none runs, the one with the name is (the new one, once the renaming is done).
    """
    begun = loop_time()
    while (found := await _find(engine, names)) is not None:
        kept, others = found
        ready = kept.state == "running" and kept.name == names.container
        if loop_time() - begun >= (_PATIENCE if ready else _PATIENCE_WITHOUT_PROXY):
            await _keep(engine, names, kept, others)
            break
        await asyncio.sleep(_INTERVAL)


@asynccontextmanager
async def proxy_locked(
    engine: Engine, machine: Machine, names: ProxyNames, doing: str
) -> AsyncIterator[tuple[ProxyLock, asyncio.Task[None]]]:
    """Have the lock of the proxy; yields it with the task of `ServerLock.taken`.

    Raises:
        LockTaken: Another one has it, and does not end.
    """
    lock = ProxyLock(machine, names.container, (await engine.info()).id)
    async with lock.taken(f"a deploy ({doing})", wait=LOCK_SECONDS, emit=lambda _: None) as heartbeat:
        yield lock, heartbeat


async def _find(engine: Engine, names: ProxyNames) -> tuple[Container, list[Container]] | None:
    """The container that is to be kept, and others; None where there is nothing to finish."""
    own = own_containers(await engine.containers(), names)
    kept = serving(own, names)
    if kept is None or (len(own) == 1 and kept.name == names.container):
        return None
    return kept, [container for container in own if container.id != kept.id]


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
