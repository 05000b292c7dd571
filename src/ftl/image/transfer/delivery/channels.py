"""More than one SSH channel for the frames of a layer, where the round-trip time limits one.

OpenSSH lets 2 MB of a channel be on their way, so one carries 2 MB in a round trip: 34 MB/s at 50 ms, whatever the link
could take. The frames are dealt out: those of the first lane go through the script's own input, the others are put into
files by scripts of their own, where it finds them.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ftl import child
from ftl.aio import gather_all, shielded
from ftl.image.transfer.remote.scripts import ASIDE

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from ftl.image.transfer.progress.meter import Meter
    from ftl.ssh.machine import Machine

_LANES = 3
"""A server allows ten sessions on a connection, and others are at work."""

_WINDOW = 2 << 20
"""Bytes of a channel that OpenSSH lets be on their way (CHAN_SES_WINDOW_DEFAULT in its channels.h)."""

_FULL = 0.6
"""The share of its window's worth that a channel carries when the window is what limits it."""


def lanes_for(speed: float | None, round_trip: float) -> int:
    """How many channels a link is worth.

    Args:
        speed: Bytes a second when it was last used; None where that is not known.
        round_trip: Seconds.
    """
    return _LANES if speed is not None and speed * round_trip >= _FULL * _WINDOW else 1


class Lanes:
    """The channels beside the first, in turn with it.

    Args:
        meter: Told what passes.
        processes: One for each channel.
    """

    def __init__(self, meter: Meter, processes: list[Process]) -> None:
        self._meter = meter
        self._dealt = 0
        self._waiting: list[asyncio.Queue[tuple[int, bytes]]] = [asyncio.Queue(1) for _ in processes]
        self._tasks = [
            asyncio.create_task(self._work(queue, process))
            for queue, process in zip(self._waiting, processes, strict=True)
        ]

    async def take(self, frame: bytes) -> int | None:
        """Send a frame by one of these channels, if it is its turn; waits while that one is behind.

        Returns:
            The frame's number; None where it is the first channel's.

        Raises:
            ConnectionResetError: The channel is gone.
        """
        number = self._dealt
        self._dealt += 1
        lane = number % (len(self._waiting) + 1) - 1
        if lane >= 0:
            await self._send(lane, number, frame)
        return number if lane >= 0 else None

    async def _send(self, lane: int, number: int, frame: bytes) -> None:
        putting = asyncio.create_task(self._waiting[lane].put((number, frame)))
        try:
            await asyncio.wait([putting, self._tasks[lane]], return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone = putting.cancel()
        if gone:
            raise ConnectionResetError("a channel of the transfer is gone")

    async def _work(self, queue: asyncio.Queue[tuple[int, bytes]], process: Process) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            while True:
                number, frame = await queue.get()
                process.stdin.write(f"{number} {len(frame)}\n".encode() + frame)
                self._meter.handed_over(len(frame))
                await process.stdin.drain()

    async def end(self) -> None:
        """Stop sending."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def opened(machine: Machine, run: str, count: int, meter: Meter) -> AsyncIterator[Lanes]:
    """Open the channels beside the first.

    Args:
        machine: The server.
        run: What the script there calls this transfer.
        count: How many channels there are with the first.
        meter: Told what passes.
    """
    processes: list[Process] = []
    lanes: Lanes | None = None
    try:
        while len(processes) < count - 1:
            processes.append(await machine.start(["sh", "-c", ASIDE, "sh", run]))
        lanes = Lanes(meter, processes)
        yield lanes
    finally:
        if lanes is not None:
            await lanes.end()
        await shielded(gather_all(map(child.close_stdin, processes)))
