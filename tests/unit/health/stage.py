"""A container on a fake server, and programs that listen in it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.engine.specs import ContainerSpec
from tests.support.fake_container import Behavior
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ftl.engine.values import ContainerState
    from tests.support.fake_container import FakeContainer

IMAGE = "shop-web:r1"
NAME = "shop-web-r1"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Stage:
    """A server with one container, which runs.

    Attributes:
        engine: The server's engine.
        machine: The server.
        requests: The requests that the container's programs got.
    """

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.machine = FakeMachine()
        self.requests: list[bytes] = []

    @property
    def container(self) -> FakeContainer:
        """The container, to be changed by the test."""
        return self.engine.by_name[NAME]

    async def state(self) -> ContainerState:
        """The container as the engine describes it."""
        state = await self.engine.container(NAME)
        assert state is not None
        return state

    @asynccontextmanager
    async def listening(
        self, answer: Callable[[], bytes | None], port: int = 8000, *, seconds: float = 0.0
    ) -> AsyncIterator[None]:
        """Listen in the container; `answer` is called for each connection: None says nothing, b"" closes it.

        An answer is made `seconds` after its request.
        """

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if seconds:
                await asyncio.sleep(seconds)
            content = answer()
            if content is None:
                await reader.read()
            elif content:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(content)
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        async with server:
            address = (await self.state()).endpoints[0].address
            local = server.sockets[0].getsockname()[1]
            self.machine.reachable[address, port] = f"tcp://127.0.0.1:{local}"
            yield
            del self.machine.reachable[address, port]


async def stage(behavior: Behavior | None = None, *, restart: bool = True) -> Stage:
    """Start a container; its program ends and logs as `behavior` says."""
    engine = FakeEngine(images=[IMAGE])
    engine.behaviors[IMAGE] = behavior or Behavior()
    await engine.create_network("shop", {})
    spec = ContainerSpec(image=IMAGE, labels={}, networks={"shop": ()}, restart="always" if restart else "no")
    await engine.create(NAME, spec)
    await engine.start(NAME)
    return Stage(engine)
