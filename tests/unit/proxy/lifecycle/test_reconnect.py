"""Leaving and joining a network is the server's own act."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from ftl.engine.values import Endpoint
from ftl.errors import ServerError
from ftl.proxy.lifecycle import reconnect
from ftl.ssh.local import Local

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Endpoint("ftl-p-shop", "172.30.0.9", network_id="n")


def join_again(docker: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Join again on this machine, whose docker command is a script."""
    (folder / "docker").write_text(f"#!/bin/sh\n{docker}\n")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")

    async def work() -> bool:
        async with Local() as machine:
            await machine.engine_url()
            return await reconnect.reconnect(machine, "proxy", PLACE, ["web"])

    return asyncio.run(work())


@pytest.mark.parametrize(("docker", "done"), [("exit 0", True), ("exit 1", False)])
def test_others_may_try_what_was_not_done(
    docker: str, done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server says whether it was."""
    assert join_again(docker, tmp_path, monkeypatch) is done


def test_what_may_still_be_under_way_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer in time is an error: whoever did it again would take the proxy out once more."""
    monkeypatch.setattr(reconnect, "_SECONDS", 0.1)
    with pytest.raises(ServerError, match="does not say that it has") as caught:
        join_again("sleep 0.3", tmp_path, monkeypatch)
    assert "did not end within" in (caught.value.cause or "")
