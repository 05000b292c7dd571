"""Connections to several servers that are lost and come back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ftl.errors import EngineUnavailable, FtlError, ServerError
from ftl.host.reconnecting import (
    ANSWER_SECONDS,
    ASK_SECONDS,
    PAUSE_SECONDS,
    reconnecting_fleet,
)
from ftl.host.session import Session
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.host.fleet import Fleet
    from ftl.host.reconnecting import ReconnectingFleet


class Network:
    """Servers a and b.

    Attributes:
        down: Servers that refuse connections, and whose engines fail.
        hung: Servers that say nothing any more on connections that are open.
        opened: The server of each connection.
        open: Number of connections that are open.
    """

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.hung: set[str] = set()
        self.opened: list[str] = []
        self.open = 0

    @asynccontextmanager
    async def connect(self, host: str) -> AsyncIterator[Session]:
        """Open a session."""
        if host in self.down:
            raise ServerError(f"{host} cannot be reached")
        self.opened.append(host)
        self.open += 1
        engine = _Engine(self, host)
        try:
            yield Session(host, FakeMachine(), engine, await engine.info())
        finally:
            self.open -= 1


class _Engine(FakeEngine):
    def __init__(self, network: Network, host: str) -> None:
        super().__init__(name=host)
        self._network = network

    async def ping(self) -> None:
        if self.name in self._network.hung:
            await asyncio.sleep(3600)
        if self.name in self._network.down:
            raise EngineUnavailable(f"{self.name} was lost")


async def seen(servers: ReconnectingFleet) -> tuple[tuple[str, ...], list[str]]:
    """The servers that answer, and those that are missing."""
    found: list[Fleet] = []

    async def work(fleet: Fleet) -> None:
        found.append(fleet)

    assert await servers.use(work)
    return found[0].names, list(found[0].missing)


@pytest.mark.parametrize("way", ["down", "hung"])
def test_a_lost_server_is_missing_until_it_is_back(way: str) -> None:
    """One whose connection only says nothing is given up, too; work with it is cancelled, and the others go on."""

    async def work() -> None:
        network = Network()
        async with reconnecting_fleet("ab", network.connect) as servers:
            assert await seen(servers) == (("a", "b"), [])
            lost: set[str] = getattr(network, way)
            lost.add("b")
            began = asyncio.get_running_loop().time()
            assert not await servers.use(lambda _: asyncio.sleep(3600))
            assert asyncio.get_running_loop().time() - began <= ASK_SECONDS + ANSWER_SECONDS
            await asyncio.sleep(0.1)
            assert await seen(servers) == (("a",), ["b"])
            lost.clear()
            await asyncio.sleep(2 * PAUSE_SECONDS)
            assert await seen(servers) == (("a", "b"), [])
            assert network.opened == ["a", "b", "b"]
        assert network.open == 0

    run(work())


def test_without_any_server_there_is_nothing_to_see() -> None:
    """Every one had its chance before."""

    async def work(*down: str) -> tuple[tuple[str, ...], list[str]]:
        async with reconnecting_fleet("ab", Network(*down).connect) as servers:
            return await seen(servers)

    assert run(work("a")) == (("b",), ["a"])
    with pytest.raises(FtlError, match="a cannot be reached"):
        run(work("a", "b"))
