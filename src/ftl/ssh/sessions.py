"""Slots for the sessions of a connection, across the processes that share it.

sshd allows ten sessions on a connection (MaxSessions).
"""

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

# Two of the ten are left: for the first command of another process, and to end a command that is given up.
_SLOTS = 8

# Commands that one process runs to their end at a time. More slots are taken by commands that stay open: a deploy's
# lock, a transfer's script.
_RUNNING = 4

_POLL_SECONDS = 0.05


class Sessions:
    """Slots for the sessions of one process.

    Args:
        folder: The folder of a shared connection, where locked files mark the slots that are taken; None: it is not
            shared.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._running = asyncio.Semaphore(_RUNNING)
        self._watching: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Take a slot for a command that is run to its end."""
        async with self._running:
            slot = await self.take()
            try:
                yield
            finally:
                release(slot)

    async def take(self) -> int | None:
        """Wait for a slot and take it, for `release` or `release_after`."""
        if self._folder is None:
            return None
        while (slot := _free_slot(self._folder)) is None:  # noqa: ASYNC110 - other processes release them
            await asyncio.sleep(_POLL_SECONDS)
        return slot

    def release_after(self, process: Process, slot: int | None) -> None:
        """Release a slot when a process has ended."""
        if slot is not None:
            task = asyncio.create_task(_release_after(process, slot))
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)


def release(slot: int | None) -> None:
    """Release a slot."""
    if slot is not None:
        os.close(slot)


async def _release_after(process: Process, slot: int) -> None:
    try:
        await process.wait()
    finally:
        release(slot)


def _free_slot(folder: Path) -> int | None:
    """The open and locked file of a free slot; None where all are taken."""
    for number in range(_SLOTS):
        slot = os.open(folder / f"session{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(slot)
        else:
            return slot
    return None
