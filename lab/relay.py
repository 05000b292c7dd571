"""TCP relay with latency and a bandwidth limit, between a client and a server's sshd.

Every piece of data arrives `delay` seconds after it came in, in order and however many are under way, so the delay
adds to the round trip without bounding throughput; `rate` does that: data waits in a queue that is emptied at this
rate, and whoever sends more than the queue holds waits, too. Bytes are counted each way, and round trips:
what the client sends after it heard something may be an answer to it, and so begins another one. Where the delay is
long against what either side does in between, that is the number of round trips that follow one another, whatever
goes side by side in each. (A connection's own handshake is with the relay, and not among them.)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket
    from types import TracebackType

Way = Literal["up", "down"]

_PIECE = 64 * 1024
_UNDERWAY = 1024  # pieces that may be in the link at a time: 64 MB, more than any link here holds

_QUEUE = 0.05
"""Seconds that data waits at most for its turn, as in a router with a sensible buffer."""

_TURN = 0.005
"""Seconds that a piece keeps the link busy, at most: small pieces make an even flow."""

_SOCKET = 256 * 1024
"""Bytes that wait before a link with a rate: what a socket would hold beyond that is no part of the link."""


@dataclass(slots=True)
class Counted:
    """What went through so far: connections, bytes from the client and to it, and round trips."""

    connections: int = 0
    up: int = 0
    down: int = 0
    round_trips: int = 0


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
        self._links: dict[Way, _Link] = {"up": _Link(rate), "down": _Link(rate)}
        self._at_server = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        for listening in self._server.sockets:  # which those that it accepts inherit
            self._bound(listening)
            self.port = listening.getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _bound(self, own: socket.socket | TransportSocket) -> None:
        if any(link.rate for link in self._links.values()):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET)

    @property
    def is_used(self) -> bool:
        """Whether a connection is open."""
        return bool(self._tasks)

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
            self._bound(far_writer.get_extra_info("socket"))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer, "up"))
                group.create_task(self._pass_on(far_reader, writer, "down"))
        except* OSError:
            pass  # one side was cut off; the other one is told by being cut off too
        finally:
            far_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        """One way: read at once, write when the time has come."""
        queue: asyncio.Queue[_Piece] = asyncio.Queue(_UNDERWAY)
        link = self._links[way]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._arrive(queue, writer, way))
            clock = asyncio.get_running_loop().time
            while True:
                if (wait := link.full_for(clock())) > 0:
                    await asyncio.sleep(wait)
                data = await reader.read(link.piece)
                trip = self.counted.round_trips + 1 if way == "up" else self._at_server
                due = link.carried_at(clock(), len(data)) + self.delay
                await queue.put(_Piece(due, data, trip))
                if not data:
                    return

    async def _arrive(self, queue: asyncio.Queue[_Piece], writer: asyncio.StreamWriter, way: Way) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            piece = await queue.get()
            if (wait := piece.due - clock()) > 0:
                await asyncio.sleep(wait)
            if not piece.data:
                writer.write_eof()
                return
            self._count(piece, way)
            writer.write(piece.data)
            await writer.drain()

    def _count(self, piece: _Piece, way: Way) -> None:
        if way == "up":
            self.counted.up += len(piece.data)
            self._at_server = max(self._at_server, piece.trip)
        else:
            self.counted.down += len(piece.data)
            self.counted.round_trips = max(self.counted.round_trips, piece.trip)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Data under way: when it is to arrive, and the round trip that it is a part of, counted from 1."""

    due: float
    data: bytes
    trip: int


class _Link:
    """One direction of the link: a queue, and when it will have been emptied.

    Times are those at which data came in, not those at which a sleep happened to end: nothing of the rate is lost.
    """

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self.piece = _PIECE if rate is None else max(1024, min(_PIECE, int(rate * _TURN)))
        self._empty = 0.0

    def full_for(self, now: float) -> float:
        """Seconds until there is room for another piece; 0 or less: there is."""
        return self._empty - now - _QUEUE

    def carried_at(self, now: float, size: int) -> float:
        """When data that comes in now has left the queue."""
        if self.rate is None:
            return now
        self._empty = max(self._empty, now) + size / self.rate
        return self._empty


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
    line = {
        "connections": counted.connections,
        "bytes_up": counted.up,
        "bytes_down": counted.down,
        "round_trips": counted.round_trips,
    }
    print(json.dumps(line), flush=True)
