"""A command in a container that runc could not start."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from ftl.engine.api import Engine
from ftl.engine.calls import containers

if TYPE_CHECKING:
    import pytest

RESET = (
    "OCI runtime exec failed: exec failed: unable to start container process: waiting for init preliminary setup: "
    "read init-p: connection reset by peer: unknown"
)
MISSING = 'OCI runtime exec failed: exec failed: unable to start container process: exec: "caddy": not found: unknown'


async def attempts(*answers: tuple[int, str]) -> tuple[int, str, int]:
    """Run a command in a container of an engine with these results: exit status, output, number of attempts."""
    started = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal started
        headers = {"Api-Version": "1.45"}
        if request.path.endswith("/start"):
            output = answers[started][1].encode()
            started += 1
            return web.Response(body=struct.pack(">BxxxL", 1, len(output)) + output, headers=headers)
        if request.path.endswith("/json"):
            result = {"ExitCode": answers[started - 1][0], "ProcessConfig": {"tty": False}}
            return web.json_response(result, headers=headers)
        return web.json_response({"Id": "e"}, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine"
        await web.UnixSite(runner, str(path)).start()
        try:
            async with Engine(f"unix://{path}", name="a") as engine:
                done = await engine.execute("proxy", ["caddy", "version"])
        finally:
            await runner.cleanup()
    return done.exit_code, done.stdout.decode(), started


def test_a_command_that_never_began_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice at most. What ran, even if it prints these words, and what the image lacks is not run a second time."""
    monkeypatch.setattr(containers, "_PAUSE", 0.0)
    assert asyncio.run(attempts((126, RESET), (0, "v2"))) == (0, "v2", 2)
    assert asyncio.run(attempts(*[(128, RESET)] * 4)) == (128, RESET, 3)
    for once in ((0, "v2"), (1, RESET), (126, MISSING)):
        assert asyncio.run(attempts(once)) == (*once, 1)
