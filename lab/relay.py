"""A TCP relay that makes a link longer and thinner: between a client and a server's sshd, to see what latency costs.

Every piece of data arrives `delay` seconds after it came in, in order and however many are under way, so the delay
adds to the round trip without bounding throughput; `rate` does that. Bytes are counted each way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_PIECE = 64 * 1024
_UNDERWAY = 1024  # pieces that may be in the link at a time: 64 MB, more than any link here holds


@dataclass(slots=True)
class Counted:
    """What went through so far: connections, and bytes from the client and to it."""

    connections: int = 0
    up: int = 0
    down: int = 0


class Relay:
    """Listens on 127.0.0.1 and passes everything on to `to`; an async context manager.

    Args:
        to: Host and port.
        delay: Seconds each way: half of what it adds to a round trip.
        rate: Bytes a second each way, shared by all connections; None: as fast as it goes.
        listen: The port; 0: whichever is free.
    """

    def __init__(
        self, to: tuple[str, int], *, delay: float = 0.0, rate: float | None = None, listen: int = 0
    ) -> None:
        self.counted = Counted()
        self.delay = delay
        self.port = listen
        self._to = to
        self._links = {"up": _Link(rate), "down": _Link(rate)}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection that is open; new ones are taken as before."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.counted.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both ways of one connection, until both are over."""
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        try:
            for each in (writer, far_writer):
                each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer, "up"))
                group.create_task(self._pass_on(far_reader, writer, "down"))
        except* OSError:
            pass  # one side was cut off; the other one is told by being cut off too
        finally:
            far_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        """One way: read at once, write when the time has come."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDERWAY)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._arrive(queue, writer, way))
            clock = asyncio.get_running_loop().time
            while True:
                piece = await reader.read(_PIECE)
                await queue.put((clock() + self.delay, piece))
                if not piece:
                    return

    async def _arrive(
        self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, way: str
    ) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, piece = await queue.get()
            due = max(due, self._links[way].free_at(clock(), len(piece)))
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            if not piece:
                writer.write_eof()
                return
            setattr(self.counted, way, getattr(self.counted, way) + len(piece))
            writer.write(piece)
            await writer.drain()


class _Link:
    """One direction of the link: when it has carried all that was given to it."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free = 0.0

    def free_at(self, now: float, size: int) -> float:
        if self._rate is None:
            return now
        self._free = max(self._free, now) + size / self._rate
        return self._free


def serve(to: str, *, listen: int = 0, delay: float = 0.0, rate: float | None = None) -> None:
    """Run a relay until SIGTERM or Ctrl-C: its port is the first line of stdout, what it counted the last."""
    host, _, port = to.rpartition(":")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve((host.strip("[]"), int(port)), listen, delay, rate))


async def _serve(to: tuple[str, int], listen: int, delay: float, rate: float | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Relay(to, delay=delay, rate=rate, listen=listen) as relay:
        print(json.dumps({"port": relay.port}), flush=True)
        await stop.wait()
        counted = relay.counted
    line = {"connections": counted.connections, "bytes_up": counted.up, "bytes_down": counted.down}
    print(json.dumps(line), flush=True)
