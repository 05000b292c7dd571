"""Slots for the sessions of a connection, within the number that its server allows.

sshd allows ten sessions on a connection (MaxSessions). Another number shows when it refuses one: then as many as were
open are the limit. Forwards do not count as sessions.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

ALLOWED = 10
"""sshd's usual MaxSessions."""

# Two of the ten are left: for the first command of another process, and to end a command that is given up.
_SLOTS = ALLOWED - 2

# Commands that one process runs to their end at a time. More slots are taken by commands that stay open: a deploy's
# lock, a transfer's script.
_RUNNING = 4

_POLL_SECONDS = 0.05

_QUIET_SECONDS = 0.5
"""Time after which a session that has ended does not count any more."""

_REFUSALS = 4
_PAUSE_SECONDS = 0.05
"""Refusals of a connection's only session before none is tried on it any more, and the pause after each."""

SessionKind = Literal["run", "stay", "end"]
"""Kind of a session: run to its end, staying open, or ending another command at once."""


class Slot:
    """A place for one session; to be released once.

    The server allows it for sure if no other session was open for a while.
    """

    def __init__(self, sessions: Sessions, kind: SessionKind, file: int | None, *, is_allowed: bool) -> None:
        self.kind = kind
        self.is_allowed = is_allowed
        self._sessions = sessions
        self._file = file

    def release(self) -> None:
        """Leave the place to another session."""
        if self._file is not None:
            os.close(self._file)
        self._sessions.freed(self.kind)

    def refuse(self) -> None:
        """Release the slot of a session that the server refused.

        It allows no more than those that are open. Where none is, it may not have noticed yet that another has ended:
        sshd (seen on 9.2) frees a session after it has read all requests that came with its end.
        """
        self.release()
        self._sessions.note_refusal()


class Sessions:
    """Slots for the sessions of one process over one connection.

    Args:
        folder: The folder of a shared connection, where locked files mark the slots that are taken; None: it is not
            shared.
    """

    def __init__(self, folder: Path | None) -> None:
        self.open = 0
        self.limit = ALLOWED
        self._folder = folder
        self._running = 0
        self._ended = 0.0
        self._refused_alone = 0
        self._free = asyncio.Event()
        self._watching: set[asyncio.Task[None]] = set()

    async def take(self, kind: SessionKind) -> Slot | None:
        """Take a slot, or wait for one until a command has run to its end.

        None where all are taken by commands that stay open.
        """
        while not self._has_room(kind):
            if kind == "end" or not self._running:
                return None
            self._free.clear()
            await self._free.wait()
        if self._refused_alone and not self.open:
            await asyncio.sleep(_PAUSE_SECONDS * self._refused_alone)
        quiet = asyncio.get_running_loop().time() - self._ended > _QUIET_SECONDS
        self.open += 1
        self._running += kind == "run"
        try:
            shared = None if self._folder is None or kind == "end" else self._folder
            number, file = (0, None) if shared is None else await _lock(shared)
        except BaseException:
            self.freed(kind)
            raise
        return Slot(self, kind, file, is_allowed=quiet and self.open == 1 and number == 0)

    def freed(self, kind: SessionKind) -> None:
        """Count a session that has ended."""
        self.open -= 1
        self._running -= kind == "run"
        self.note_end(asyncio.get_running_loop().time())
        self._free.set()

    def note_end(self, time: float) -> None:
        """Note when a session ended, by the loop's clock."""
        self._ended = max(self._ended, time)

    def note_refusal(self) -> None:
        """Note that the server allowed no more sessions than those that are open."""
        self._refused_alone += not self.open
        if self.open or self._refused_alone > _REFUSALS:
            self.limit = min(self.limit, self.open)

    def release_after(self, process: Process, slot: Slot) -> None:
        """Release a slot when a process has ended."""
        task = asyncio.create_task(_release_after(process, slot))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def _has_room(self, kind: SessionKind) -> bool:
        if kind == "run" and self._running >= _RUNNING:
            return False
        return self.open < (self.limit if kind == "end" else min(self.limit, _SLOTS))


async def _release_after(process: Process, slot: Slot) -> None:
    try:
        await process.wait()
    finally:
        slot.release()


async def _lock(folder: Path) -> tuple[int, int]:
    """Wait for a slot that no process has: its number and its file, open and locked."""
    while (slot := _free_slot(folder)) is None:  # noqa: ASYNC110 - other processes release them
        await asyncio.sleep(_POLL_SECONDS)
    return slot


def _free_slot(folder: Path) -> tuple[int, int] | None:
    """The number and the open and locked file of the first free slot; None where all are taken."""
    for number in range(_SLOTS):
        slot = os.open(folder / f"session{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(slot)
        else:
            return number, slot
    return None
