"""Replacing the proxy: FTL's part, on a server that has no docker command for its own."""

from __future__ import annotations

import asyncio

import pytest

from ftl.errors import ServerError
from ftl.proxy.docker_script import NO_DOCKER
from ftl.proxy.lifecycle.start import ensure
from ftl.proxy.lifecycle.upgrade import upgrade
from ftl.proxy.names import ProxyNames
from tests.support import clock
from tests.support.fake_container import Behavior
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine

NAMES = ProxyNames()
OLD, NEW = "caddy:2.10", "caddy:2.11"
VALIDATES = 20
STOPS = 6


class Server:
    """A server with the old proxy, where a new Caddy takes its time, and the old one to stop."""

    def __init__(self) -> None:
        self.machine = FakeMachine()
        self.machine.answer("ftl-deploy-lock take", answer=CommandOutput(stdout=b"mine\n", stays=True))
        self.machine.answer("ftl-replace", answer=CommandOutput(NO_DOCKER))
        self.engine = FakeEngine(images=[OLD, NEW])
        self.engine.behaviors[OLD] = Behavior(ignores_stop=True)
        self.engine.behaviors[NEW] = Behavior(exit_code=0, seconds=VALIDATES)

    async def upgrade(self, *, cut_after: float) -> bool:
        """Replace it; the lock is lost meanwhile."""
        await ensure(self.engine, self.machine, NAMES, OLD)
        upgrading = asyncio.create_task(upgrade(self.engine, self.machine, NAMES, NEW))
        await asyncio.sleep(cut_after)
        self.machine.processes[-1].kill()
        return await upgrading

    @property
    def proxies(self) -> dict[str, str]:
        """The image of each container, by its name."""
        return {name: container.spec.image for name, container in self.engine.by_name.items()}


def test_without_the_lock_nothing_is_begun() -> None:
    """Another one may have it: what was made for the validation goes, and no successor is made."""

    async def work() -> None:
        server = Server()
        with pytest.raises(ServerError, match=r"the lock of the proxy on .* was lost"):
            await server.upgrade(cut_after=VALIDATES / 2)
        assert server.proxies == {"ftl-proxy": OLD}
        assert "create ftl-proxy-new" not in server.engine.calls

    clock.run(work())


def test_a_replacement_that_has_begun_is_completed() -> None:
    """Half way there is no proxy."""

    async def work() -> None:
        server = Server()
        assert await server.upgrade(cut_after=VALIDATES + STOPS / 2)
        assert server.proxies == {"ftl-proxy": NEW}

    clock.run(work())
