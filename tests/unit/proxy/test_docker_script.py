"""Scripts with a docker CLI that is pinned to the engine FTL uses."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ftl
from ftl.common.programs import program
from ftl.proxy.docker_script import NO_DOCKER, docker_script
from ftl.ssh.local import Local

if TYPE_CHECKING:
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


@pytest.mark.parametrize(
    ("words", "refusals", "tries"),
    [
        ("Error: attaching to network failed, check manager logs: context deadline exceeded", 2, 3),
        ("Error: attaching to network failed, check manager logs: context deadline exceeded", 9, 3),
        ("Error: No such container: a", 9, 1),
    ],
)
def test_a_start_is_tried_again_where_managers_of_an_overlay_are_late(
    words: str, refusals: int, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other refusals, and one that lasts, are said."""
    calls = tmp_path / "calls"
    stub = tmp_path / "docker"
    stub.write_text(
        f'#!/bin/sh\necho "$*" >>{calls}\n'
        f"[ $(wc -l <{calls}) -gt {refusals} ] && exit\necho '{words}' >&2\nexit 125\n"
    )
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "tcp://[::1]:1")
    done = run('sleep() { :; }; start_containers "$1" b', "a c")
    assert calls.read_text().splitlines() == ["start a c b"] * tries
    assert (done.exit_code, done.stderr.decode().strip()) == ((0, "") if tries > refusals else (125, words))


def test_an_engine_that_hangs_holds_no_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call has a limit unless the script says that it is attached to us."""
    for name in ("docker", "timeout"):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "tcp://[::1]:1")
    done = run("docker ps; docker_within 900 exec a; docker_attached exec b")
    assert done.stdout.decode().splitlines() == [
        "timeout -k 5 60 docker ps",
        "timeout -k 5 900 docker exec a",
        "docker exec b",
    ]


@pytest.mark.parametrize(("before", "calls"), [("trap '' TERM", "ended"), ("end_calls_with_script", "")])
def test_a_signal_ends_a_call_only_with_a_script_that_it_ends(
    tmp_path: Path, before: str, calls: str
) -> None:
    """FTL ends what it waits for by its group; what ignores that must finish, or leaves a database half way."""
    (tmp_path / "docker").write_text(
        f"#!/bin/sh\necho >{tmp_path}/begun\nsleep 2\necho ended >{tmp_path}/ended\n"
    )
    (tmp_path / "docker").chmod(0o755)
    script = program("ftl.proxy", "scripts/docker.sh") + f"{before}; docker restart db"
    with subprocess.Popen(
        ["sh", "-c", script, "ftl-test", ""],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        start_new_session=True,
    ) as process:
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)
    time.sleep(3 if not calls else 0)
    assert (tmp_path / "ended").exists() == bool(calls)


ATTACHED = {"exec.sh", "feed.sh", "read_backups.sh", "run.sh"}
"""Scripts that are there for a stream or a terminal of ours, and end with it."""


def scripts() -> list[Path]:
    """All that run on servers beside FTL, after docker.sh; those of `ftl setup` run under its eyes."""
    found = [*Path(ftl.__file__).parent.rglob("*.sh")]
    return [path for path in found if "server" not in path.parts and path.name != "docker.sh"]


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_no_script_waits_without_a_limit(path: Path) -> None:
    """None of them calls the program past docker.sh, or waits for a page or a lock for ever."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines)
    assert "command docker" not in text
    assert not re.search(r"timeout [^\n]*\bdocker\b", text)
    assert ("docker_attached" in text) == (path.name in ATTACHED)
    assert not [
        line for line in lines if re.search(r"\bwget -", line) and not re.search(r"-T |timeout \d", line)
    ]
    assert not [line for line in lines if re.search(r"\bcurl -", line) and "-m" not in line]
    # Giving one back (`-u`) never waits.
    assert not [line for line in lines if re.search(r"\bflock (?!-[nuw])", line.partition("for tool in")[0])]
