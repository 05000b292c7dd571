"""Reconnecting a container to a network, done by the server itself."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from ftl.engine.values import Endpoint
from ftl.errors import ServerError
from ftl.proxy import reconnect
from ftl.ssh.local import Local

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = Endpoint("ftl-p-shop", "172.30.0.9", network_id="n")


def reconnected(docker: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Reconnect on this machine, whose docker command is a script."""
    (folder / "docker").write_text(f"#!/bin/sh\n{docker}\n")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")

    async def work() -> bool:
        async with Local() as machine:
            await machine.engine_url()
            return await reconnect.reconnect(machine, "proxy", ENDPOINT, ["web"])

    return asyncio.run(work())


@pytest.mark.parametrize(("docker", "done"), [("exit 0", True), ("exit 1", False)])
def test_the_result_is_the_exit_status_of_the_script(
    docker: str, done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the script failed, the caller may do it by the API."""
    assert reconnected(docker, tmp_path, monkeypatch) is done


def test_an_unanswered_script_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may still be running: doing the same by the API would disconnect the proxy once more."""
    monkeypatch.setattr(reconnect, "_SECONDS", 0.1)
    with pytest.raises(ServerError, match="did not confirm") as caught:
        reconnected("sleep 0.3", tmp_path, monkeypatch)
    assert "did not end within" in (caught.value.cause or "")
