"""Sessions of one connection: sshd allows ten (MaxSessions), and commands that share a connection share those."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path

# Two of the ten are left: for the first command of the next one who shares the connection, and to end a command that
# is given up.
_SHARED = 8

# Of these, commands that are run to their end. A deploy's lock and a transfer's three channels are kept open by
# `start`.
_RUNNING = 4

_LOOK_SECONDS = 0.05


class Sessions:
    """Places for sessions on a connection.

    Args:
        folder: Where commands that share the connection see which are taken, by locked files; None: nobody shares it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._running = asyncio.Semaphore(_RUNNING)
        self._watching: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place for a command that is run to its end."""
        async with self._running:
            place = await self.take()
            try:
                yield
            finally:
                release(place)

    async def take(self) -> int | None:
        """A place, as soon as there is one; to be given to `release` or `release_after`."""
        if self._folder is None:
            return None
        while (place := _free(self._folder)) is None:  # noqa: ASYNC110 - other processes release them
            await asyncio.sleep(_LOOK_SECONDS)
        return place

    def release_after(self, process: Process, place: int | None) -> None:
        """Release a place when a process has ended."""
        if place is not None:
            task = asyncio.create_task(_release_after(process, place))
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)


def release(place: int | None) -> None:
    """Release a place."""
    if place is not None:
        os.close(place)


async def _release_after(process: Process, place: int) -> None:
    try:
        await process.wait()
    finally:
        release(place)


def _free(folder: Path) -> int | None:
    """An open file, locked, for a place that nobody has; None where all are taken."""
    for number in range(_SHARED):
        place = os.open(folder / f"session{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(place)
        else:
            return place
    return None
