"""A fake server whose containers answer as the test says, and the status of a project there."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ftl.config.models.project import Dependency, HealthCheck
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.tarball import tar_archive
from ftl.engine.values import Mount
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.views.status import Status, status
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import service
from tests.unit.health.stage import OK
from tests.unit.operations.stage import add

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.operations.views.units import Unit

WEB = service("web", health_check=HealthCheck(path="/up"), replicas=2)
WORKER = service("worker", port=None, routes=())
DB = Dependency(name="db", image="postgres:16", ports=(5432,))


class Server:
    """A fake server, whose containers answer on port 8000 as the test says."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.machine = FakeMachine()
        self._programs = AsyncExitStack()

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._programs.aclose()

    async def web(self, name: str, release: str = "r1", *, answer: bytes | None = OK) -> None:
        """Run a container of `web`. It answers requests so; "" says nothing, and with None nothing listens."""
        await add(self.engine, name, "web", release=release, image=f"shop-web:{release}")
        if answer is not None:
            await self._listen(name, answer)

    async def _listen(self, name: str, answer: bytes) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await (reader.readuntil(b"\r\n\r\n") if answer else reader.read())
            writer.write(answer)
            writer.close()

        listening = await asyncio.start_server(connected, "127.0.0.1", 0)
        await self._programs.enter_async_context(listening)
        (endpoint,) = self.engine.by_name[name].endpoints.values()
        local = listening.sockets[0].getsockname()[1]
        self.machine.reachable[endpoint.address, 8000] = f"tcp://127.0.0.1:{local}"

    async def proxy(self, live: bytes = b"") -> None:
        """Run the proxy, with this live file for `web`."""
        spec = ContainerSpec(
            image="caddy:2",
            labels={labels.ROLE: labels.ROLE_PROXY},
            mounts=(Mount("ftl-proxy-config", "/config"),),
        )
        self.engine.add_image("caddy:2")
        await self.engine.create_volume("ftl-proxy-config", {})
        await self.engine.create("ftl-proxy", spec)
        await self.engine.start("ftl-proxy")
        await self.engine.put_archive("ftl-proxy", "/config", tar_archive({"live/shop.web": live}))

    async def status(self, asked: Project) -> Status:
        """The project's status here."""
        info = await self.engine.info()
        return await status(asked, Fleet([Session("shop.example.com", self.machine, self.engine, info)]))

    async def units(self, asked: Project) -> dict[tuple[str, str | None], Unit]:
        """The same as units by name and release."""
        return {(unit.name, unit.release): unit for unit in (await self.status(asked)).units}


def failing(status: str) -> bytes:
    """An HTTP answer without a body."""
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
