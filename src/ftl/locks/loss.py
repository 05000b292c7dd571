"""Loss of a lock: cancel the work under it, since another operation may hold the lock."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def cancelled_if_lost(heartbeat: asyncio.Task[None]) -> AsyncIterator[None]:
    """Cancel the block when the lock is lost, as `asyncio.timeout` does when time is up.

    The heartbeat is the task of `ServerLock.taken`.

    Raises:
        ServerError: The lock was lost.
    """
    if heartbeat.done():  # lost before, while the servers were observed
        heartbeat.result()
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    lost, inside = False, True

    def cancel(_: object) -> None:
        nonlocal lost
        if inside:  # the loop may call it after the block, whose error came at the same moment
            lost = True
            task.cancel()

    heartbeat.add_done_callback(cancel)
    try:
        yield
    except asyncio.CancelledError:
        if lost and task.cancelling() - 1 <= before:
            heartbeat.result()
        raise
    finally:
        inside = False
        heartbeat.remove_done_callback(cancel)
        if lost:
            task.uncancel()
