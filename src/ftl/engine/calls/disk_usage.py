"""`GET /system/df`, one at a time.

Docker before 23 (API 1.42) answers a second one with an error, and BuildKit, whose measuring this interrupts, then
forgets to give back the cache mounts that it had just taken: the next build that mounts one of them with
`sharing=locked` waits until the engine is restarted (`cacheManager.DiskUsage` returns before `ref.Release`). So the
calls of all of a user's processes wait for each other.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.common.user_files import state_file
from ftl.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ftl.engine.client import Client

MEASURED_SIDE_BY_SIDE = (1, 42)
"""The API from which on two requests at once disturb nobody; it also takes `type`."""

_STEP = 0.05


async def disk_usage(client: Client, action: str, query: Mapping[str, object], *, seconds: float) -> object:
    """The answer of an engine about its disk usage.

    Raises:
        EngineUnavailable: It took longer than `seconds`, to which the wait for others adds as many.
    """
    info = await client.info()
    if tuple(map(int, info.api.split("."))) >= MEASURED_SIDE_BY_SIDE:
        return await client.send(action, "GET", "system/df", query, seconds=seconds)
    async with _alone(info.id, action, seconds):
        return await client.send(action, "GET", "system/df", query, seconds=seconds)


@asynccontextmanager
async def _alone(engine: str, action: str, seconds: float) -> AsyncIterator[None]:
    """Hold the lock of an engine's disk usage; without a folder for it, nobody is asked."""
    name = hashlib.blake2b(engine.encode(), digest_size=8).hexdigest()
    path = state_file(f"builds/{name}.usage.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EngineUnavailable(
            f"Docker was not asked to {action}", cause=f"{path}: {error.strerror}"
        ) from None
    try:
        await _wait(lock, action, seconds)
        yield
    finally:
        os.close(lock)


async def _wait(lock: int, action: str, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not _taken(lock):  # noqa: ASYNC110 -- another process has it
                await asyncio.sleep(_STEP)
    except TimeoutError:
        raise EngineUnavailable(
            f"Docker was not asked to {action}", cause=f"another command has asked it for {seconds:g} s"
        ) from None


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
