"""Tunnels that stay open across deploys and lost connections. Virtual time."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Project, ProjectInfo
from ftl.config.models.project import Server as ServerSection
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec, Publish
from ftl.errors import EngineError, FtlError, ServerError
from ftl.events import Note
from ftl.host.session import Session
from ftl.tunnels.relay import PortTaken
from ftl.tunnels.tunnels import Tunnel, dependency_tunnels, keep_tunnels
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.events import Event

IMAGE = "postgres:16"


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def ask(port: int) -> bytes:
    """What a server behind a local port says first; nothing where the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await reader.read(100)
    finally:
        writer.close()


class Desk:
    """A fake server with a database, and tunnels to it.

    Attributes:
        errors: Raised by the next attempts to connect.
        connections: How many connections were made.
        opened: The names of servers that were reported as open.
    """

    def __init__(self) -> None:
        self.engine = FakeEngine(images=[IMAGE])
        self.machine = FakeMachine()
        self.local = free_port()
        self.errors: list[FtlError] = []
        self.connections = 0
        self.opened: list[str] = []
        self.events: list[Event] = []
        self._programs = AsyncExitStack()

    async def __aenter__(self) -> Desk:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._programs.aclose()

    async def database(self, words: bytes, host_port: int) -> None:
        """Run the database's container in place of the one there: it says these words on a port of the server."""
        await self.engine.remove("shop-db", force=True)
        label_map = {labels.PROJECT: "shop", labels.ROLE: labels.ROLE_DEPENDENCY, labels.SERVICE: "db"}
        publish = (Publish(5432, host_port, "127.0.0.1"),)
        await self.engine.create("shop-db", ContainerSpec(image=IMAGE, labels=label_map, publish=publish))
        await self.engine.start("shop-db")

        async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(words)
            writer.close()

        listening = await asyncio.start_server(connected, "127.0.0.1", 0)
        await self._programs.enter_async_context(listening)
        local = listening.sockets[0].getsockname()[1]
        self.machine.reachable["127.0.0.1", host_port] = f"tcp://127.0.0.1:{local}"

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Session]:
        """A connection to the server."""
        if self.errors:
            raise self.errors.pop(0)
        self.connections += 1
        yield Session("shop.example.com", self.machine, self.engine, INFO)

    def keep(self) -> asyncio.Task[None]:
        """Keep the tunnel to the database open, in the background."""
        tunnels = (Tunnel("db", 5432, self.local),)
        work = keep_tunnels(self.connect, "shop", tunnels, emit=self.events.append, opened=self.opened.append)
        return asyncio.ensure_future(work)


def test_a_tunnel_leads_to_the_dependency() -> None:
    """It is reported as open once, and closed when it is cancelled."""

    async def work() -> None:
        async with Desk() as desk:
            await desk.database(b"one", 49153)
            task = desk.keep()
            await asyncio.sleep(20)
            assert desk.opened == ["shop.example.com"]
            assert await ask(desk.local) == b"one"
            task.cancel()
            await asyncio.wait({task})
            with pytest.raises(ConnectionRefusedError):
                await ask(desk.local)
            assert desk.events == []

    run(work())


def test_a_replaced_dependency_is_reached_by_new_connections() -> None:
    """A deploy gives it another port of the server; meanwhile connections are closed, and the tunnel stays."""

    async def work() -> None:
        async with Desk() as desk:
            await desk.database(b"one", 49153)
            task = desk.keep()
            await asyncio.sleep(1)
            await desk.engine.stop("shop-db", timeout=1)
            await asyncio.sleep(10)
            assert await ask(desk.local) == b""
            await desk.database(b"two", 49154)
            await asyncio.sleep(10)
            assert await ask(desk.local) == b"two"
            assert (desk.connections, desk.opened) == (1, ["shop.example.com"])
            task.cancel()

    run(work())


def test_a_lost_connection_is_made_again() -> None:
    """Both are noted; until then connections are closed, and pauses grow."""

    async def work() -> None:
        async with Desk() as desk:
            await desk.database(b"one", 49153)
            task = desk.keep()
            await asyncio.sleep(1)
            desk.errors = [ServerError("no route"), ServerError("no route")]
            desk.engine.fail("containers", EngineError("lost", status=0), number=2)
            await asyncio.sleep(4.5)
            assert await ask(desk.local) == b""
            await asyncio.sleep(20)
            assert await ask(desk.local) == b"one"
            assert desk.events == [
                Note("connection lost (lost); trying again in 1 s", "warning"),
                Note("connection lost (no route); trying again in 2 s", "warning"),
                Note("connection lost (no route); trying again in 5 s", "warning"),
                Note("connected to shop.example.com again"),
            ]
            assert desk.opened == ["shop.example.com"]
            task.cancel()

    run(work())


def test_a_server_that_stops_answering_counts_as_lost() -> None:
    """A cable that was pulled: no packet comes, not even an error."""

    async def work() -> None:
        async with Desk() as desk:
            await desk.database(b"one", 49153)
            task = desk.keep()
            await asyncio.sleep(1)
            gate = desk.engine.block("containers", number=2)
            await asyncio.sleep(24.5)  # 5 until it is asked again, 20 without an answer, less the one above
            gate.open.set()
            assert desk.events == [
                Note("connection lost (no answer within 20 s); trying again in 1 s", "warning")
            ]
            await asyncio.sleep(5)
            assert await ask(desk.local) == b"one"
            task.cancel()

    run(work())


def test_a_first_connection_that_fails_is_an_error() -> None:
    """Nothing is tried again: the user is there."""

    async def work() -> None:
        async with Desk() as desk:
            desk.errors = [ServerError("cannot be reached")]
            with pytest.raises(ServerError, match="cannot be reached"):
                await desk.keep()

    run(work())


def test_a_dependency_that_does_not_run_is_an_error() -> None:
    """Before the first deploy; it says what starts it."""

    async def work() -> None:
        async with Desk() as desk:
            with pytest.raises(FtlError, match=r"db of shop does not run on shop\.example\.com") as raised:
                await desk.keep()
            assert "`ftl deploy`" in (raised.value.hint or "")
            assert desk.opened == []

    run(work())


def test_a_local_port_that_is_taken_is_an_error() -> None:
    """Before anything is asked of the server; the ways out are named."""

    async def work() -> None:
        async with Desk() as desk:
            with socket.socket() as holder:
                holder.bind(("127.0.0.1", desk.local))
                holder.listen()
                with pytest.raises(PortTaken, match="db cannot be reached there") as raised:
                    await desk.keep()
            assert "--offset" in (raised.value.hint or "")
            assert desk.connections == 0

    run(work())


@pytest.mark.parametrize("taken", [False, True])
def test_hooks_reach_dependencies_by_the_same_port_or_a_free_one(taken: bool) -> None:
    """The dependency's own number is what people expect; on a machine that has it in use, any does."""

    async def work() -> None:
        async with Desk() as desk, AsyncExitStack() as stack:
            await desk.database(b"one", 49153)
            label_map = {labels.PROJECT: "shop", labels.ROLE: labels.ROLE_DEPENDENCY, labels.SERVICE: "db"}
            await desk.engine.remove("shop-db", force=True)
            publish = (Publish(desk.local, 49153, "127.0.0.1"),)
            await desk.engine.create("shop-db", ContainerSpec(image=IMAGE, labels=label_map, publish=publish))
            await desk.engine.start("shop-db")
            if taken:
                holder = stack.enter_context(socket.socket())
                holder.bind(("127.0.0.1", desk.local))
                holder.listen()
            asked = Project(
                project=ProjectInfo(name="shop"),
                server=ServerSection(host="h"),
                services=(),
                dependencies=(
                    Dependency(name="db", image=IMAGE, ports=(desk.local,)),
                    Dependency(name="cache", image="redis:7", ports=(6379,)),
                ),
            )
            async with dependency_tunnels(desk.machine, desk.engine, asked) as ports:
                assert list(ports) == ["db"]
                assert (ports["db"] == desk.local) is not taken
                assert await ask(ports["db"]) == b"one"

    run(work())
