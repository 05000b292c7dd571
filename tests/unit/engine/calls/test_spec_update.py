"""Update of a spec in a Swarm whose objects change by themselves."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ftl.engine.api import Engine
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NODE = "/nodes/n1"
REFUSAL = "rpc error: code = Unknown desc = update out of sequence"


class Manager:
    """A manager with one node, which changes by itself before each of the first updates.

    Attributes:
        changes: How often it still does.
        spec: The node's.
    """

    def __init__(self, changes: int) -> None:
        self.changes = changes
        self.spec = {"Labels": {"zone": "a"}, "Role": "worker", "Availability": "active"}
        self._version = 1

    async def answer(self, request: web.Request) -> web.Response:
        """Answer as an engine does."""
        headers = {"Api-Version": "1.45"}
        if request.path.endswith("/update"):
            if self.changes:
                self.changes -= 1
                self._version += 1
                self.spec["Labels"] = {"zone": f"after {self._version}"}
            if request.query["version"] != str(self._version):
                return web.json_response({"message": REFUSAL}, status=500, headers=headers)
            self.spec = json.loads(await request.read())
            return web.json_response({}, headers=headers)
        if request.path.endswith(NODE):
            return web.json_response(
                {"Version": {"Index": self._version}, "Spec": self.spec}, headers=headers
            )
        return web.json_response({}, headers=headers)


@asynccontextmanager
async def engine_of(manager: Manager) -> AsyncIterator[Engine]:
    """The manager's engine, over a real socket."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", manager.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    with tempfile.TemporaryDirectory(prefix="ftl-", dir="/tmp") as folder:
        path = Path(folder, "socket")
        await web.UnixSite(runner, str(path)).start()
        try:
            async with Engine(f"unix://{path}", name="shop") as engine:
                yield engine
        finally:
            await runner.cleanup()


def change_role(manager: Manager) -> None:
    """Make the node a manager, with a label."""

    async def scenario() -> None:
        async with engine_of(manager) as engine:
            await engine.swarm.update_node("n1", role="manager", labels={"ftl.host": "a"})

    asyncio.run(scenario())


def test_a_spec_that_changed_meanwhile_is_read_again() -> None:
    """What another change made in between is kept."""
    manager = Manager(changes=1)
    change_role(manager)
    assert manager.spec == {
        "Labels": {"zone": "after 2", "ftl.host": "a"},
        "Role": "manager",
        "Availability": "active",
    }


def test_a_spec_that_never_rests_is_an_error() -> None:
    """After five attempts the engine's own words are the cause."""
    manager = Manager(changes=9)
    with pytest.raises(EngineError) as caught:
        change_role(manager)
    assert caught.value.cause == REFUSAL
    assert manager.changes == 4
