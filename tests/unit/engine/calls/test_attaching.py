"""Start and connection of a container in a network whose managers are slow."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from ftl.engine.api import Engine
from ftl.engine.calls import networks
from ftl.errors import EngineError

Call = Callable[[Engine], Awaitable[None]]

LATE = (
    "attaching to network failed, make sure your network options are correct and check manager logs: "
    "context deadline exceeded"
)
WRONG = "attaching to network failed, make sure your network options are correct: no such network"


async def attempts(call: Call, *answers: str) -> int:
    """Make a call of an engine that refuses it with these words at first; the number of attempts."""
    asked = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        headers = {"Api-Version": "1.45"}
        if not request.path.endswith(("/start", "/connect")):
            return web.json_response({}, headers=headers)
        asked += 1
        if asked <= len(answers):
            return web.json_response({"message": answers[asked - 1]}, status=500, headers=headers)
        return web.Response(status=204, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine"
        await web.UnixSite(runner, str(path)).start()
        try:
            async with Engine(f"unix://{path}", name="a") as engine:
                await call(engine)
        except EngineError as error:
            raise EngineError(error.message, cause=f"{asked} attempts") from error
        finally:
            await runner.cleanup()
    return asked


@pytest.mark.parametrize(
    "call", [lambda engine: engine.start("db"), lambda engine: engine.connect("shop", "proxy", ["a"])]
)
def test_it_is_tried_again(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy server a manager gives an address later; other refusals, and a lasting one, are raised."""
    monkeypatch.setattr(networks, "_PAUSE", 0.0)
    assert asyncio.run(attempts(call)) == 1
    assert asyncio.run(attempts(call, LATE, LATE)) == 3
    for answers, number in (((WRONG,), 1), ((LATE,) * 9, 3)):
        with pytest.raises(EngineError) as caught:
            asyncio.run(attempts(call, *answers))
        assert caught.value.cause == f"{number} attempts"
