"""The relay makes a link longer, and loses nothing on it."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from lab.relay import Relay, _Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZE = 3_000_000


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[str, int]]:
    """A peer that sends back what it gets, and closes when its client has nothing more to say."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]


async def exchange(port: int, sent: bytes) -> bytes:
    """Send everything, say that it is all, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.read(-1))
    writer.write(sent)
    await writer.drain()
    writer.write_eof()
    received = await answer
    writer.close()
    return received


async def ends(reader: asyncio.StreamReader) -> bool:
    """Whether the connection is over, in whichever way."""
    try:
        return await reader.read(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(("delay", "rate"), [(0.0, None), (0.02, None), (0.005, 30e6)])
def test_everything_arrives_in_order(delay: float, rate: float | None) -> None:
    """Whatever the link is like, all bytes and the end of the stream get through, and are counted each way."""

    async def check() -> None:
        sent = bytes(range(256)) * (SIZE // 256)
        async with echo() as peer, Relay(peer, delay=delay, rate=rate) as relay:
            assert await exchange(relay.port, sent) == sent
            assert (relay.counted.connections, relay.counted.up, relay.counted.down) == (
                1,
                len(sent),
                len(sent),
            )

    asyncio.run(check())


def test_a_round_trip_takes_the_delay_twice() -> None:
    """An answer cannot be here before both ways are over; what is sent at once travels together."""

    async def check() -> None:
        loop = asyncio.get_running_loop()
        async with echo() as peer, Relay(peer, delay=0.1) as relay:
            began = loop.time()
            await asyncio.gather(*(exchange(relay.port, b"x") for _ in range(20)))
            assert loop.time() - began >= 0.1

    asyncio.run(check())


def test_a_rate_holds_for_all_connections_together() -> None:
    """Two connections share the link: together they take the time of their sum."""

    async def check() -> None:
        loop = asyncio.get_running_loop()
        async with echo() as peer, Relay(peer, rate=1e6) as relay:
            began = loop.time()
            await asyncio.gather(*(exchange(relay.port, bytes(100_000)) for _ in range(2)))
            assert loop.time() - began >= 0.2

    asyncio.run(check())


def test_cut_ends_connections_and_takes_new_ones() -> None:
    """Cutting the link ends what is open; whoever comes after is served."""

    async def check() -> None:
        async with echo() as peer, Relay(peer) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            relay.cut()
            assert await ends(reader)
            writer.close()
            assert await exchange(relay.port, b"again") == b"again"

    asyncio.run(check())


def test_a_peer_that_is_not_there_ends_the_connection() -> None:
    """Where the far side refuses, the near side is cut off, and the relay goes on."""

    async def check() -> None:
        async with echo() as peer:
            refused = peer
        async with Relay(refused) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            assert await ends(reader)
            writer.close()
            assert relay.counted.up == 0

    asyncio.run(check())


def test_round_trips_are_counted() -> None:
    """Each answer that is answered begins another round trip; what goes side by side in one does not."""

    async def talk(port: int, times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            writer.write(b"x")
            await reader.readexactly(1)
        writer.close()

    async def check() -> None:
        async with echo() as peer, Relay(peer, delay=0.1) as relay:
            await talk(relay.port, 3)
            assert relay.counted.round_trips == 3
            await asyncio.gather(talk(relay.port, 2), talk(relay.port, 1), talk(relay.port, 1))
            assert relay.counted.round_trips == 5

    asyncio.run(check())


@pytest.mark.parametrize("size", [100, 1500, 12_500, 65_536])
@pytest.mark.parametrize("rate", [2.5e6, 12.5e6])
def test_a_link_carries_exactly_its_rate(rate: float, size: int) -> None:
    """However late a sender wakes up within what the queue holds, no time of a busy link is lost."""
    late = itertools.cycle((0.0, 0.0004, 0.0011, 0.004))
    link, now, sent = _Link(rate), 100.0, 0
    while sent < 5e6:
        if (wait := link.full_for(now)) > 0:
            now += wait + next(late)
        arrived = link.carried_at(now, size)
        sent += size
    assert sent / (arrived - 100.0) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("rate", [2.5e6, 12.5e6])
def test_a_link_has_no_bursts(rate: float) -> None:
    """A rest is not made up for: after it, as before it, no more than the queue and a piece are under way."""
    link, now = _Link(rate), 100.0
    for _ in range(3):
        began, taken = now, 0
        while link.full_for(now) <= 0:
            assert link.carried_at(now, link.piece) - began == pytest.approx((taken + link.piece) / rate)
            taken += link.piece
        assert taken <= 0.06 * rate
        now += 10.0
