"""Scripts with a docker CLI that is pinned to the engine FTL uses."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from ftl.proxy.docker_script import NO_DOCKER, docker_script
from ftl.ssh.local import Local

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.child import Completed


def run(script: str, *arguments: str) -> Completed:
    """Run a script on this machine, whose engine DOCKER_HOST names."""

    async def work() -> Completed:
        async with Local() as machine:
            await machine.engine_url()
            return await machine.run(docker_script(machine, script, "ftl-test", *arguments))

    return asyncio.run(work())


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("unix:///run/user/1000/my docker.sock", "--host|unix:///run/user/1000/my docker.sock|"),
        ("tcp://[::1]:1", ""),
    ],
)
def test_docker_is_pinned_to_the_engine(
    host: str, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its socket; an engine without one is left to the CLI, as FTL found it. Arguments are not split."""
    stub = tmp_path / "docker"
    stub.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", host)
    done = run('docker rename "$1" "$2"', "a b", "c")
    assert done.stdout.decode() == f"{options}rename|a b|c|"


def test_a_machine_without_docker_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the script is executed then."""
    (tmp_path / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    done = run("echo done")
    assert (done.exit_code, done.stdout) == (NO_DOCKER, b"")
