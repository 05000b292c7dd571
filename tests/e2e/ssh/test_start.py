"""Connections that are begun before there is an event loop, and what becomes of them."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.ssh.stage import PATIENCE, processes, run
from tests.e2e.sshd import free_port, make_key
from tests.harness import Project, environment

from ftl.config import Server
from ftl.errors import LoginRefused, ServerError
from ftl.ssh.approach import machine_at
from ftl.ssh.configuration import resolve_at_once
from ftl.ssh.connecting import begin, setting_out
from ftl.ssh.openssh import arriving
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from tests.e2e.sshd import Sshd

    from ftl.ssh.connecting import Begun

pytestmark = pytest.mark.server


def begun(target: Target) -> Begun:
    """A connection that is coming."""
    return begin(target, resolve_at_once(target), interactive=False)


def gone(folder: Path) -> bool:
    """Whether nothing of a connection is left, in the end."""
    deadline = time.monotonic() + PATIENCE
    while processes(str(folder)) or folder.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def in_config(sshd: Sshd) -> Server:
    """The server as an ftl.yaml has it."""
    target = sshd.target()
    return Server(host=target.host, port=target.port, ssh_key=str(target.key), known_hosts=target.known_hosts)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_it_is_taken_by_a_loop_that_comes_later(sshd: Sshd, seconds: float) -> None:
    """Whether ssh has been let in meanwhile or not: what it has said by then is not lost."""
    coming = begun(sshd.target())
    time.sleep(seconds)

    async def work() -> None:
        async with arriving(coming) as machine:
            assert (await machine.run(["echo", "here"])).stdout == b"here\n"

    run(work())
    assert processes(str(coming.folder)) == []
    assert not coming.folder.exists()


def test_what_nobody_takes_ends_by_itself(sshd: Sshd) -> None:
    """A command may find its arguments wrong after it has set out."""
    with setting_out(in_config(sshd)) as way:
        assert way.begun is not None
        folder = way.begun.folder
        assert processes(str(folder))
    assert gone(folder)


@pytest.mark.parametrize("interactive", [False, True])
def test_what_nobody_takes_ends_before_the_server_has_said_a_word(interactive: bool) -> None:
    """There is nobody yet who could be asked to exit, and ssh would wait for ten seconds, or for a passphrase."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target("127.0.0.1", silent.getsockname()[1])
        coming = begin(target, resolve_at_once(target), interactive=interactive)
        with silent.accept()[0]:
            coming.leave()
            assert coming.master.wait(PATIENCE) == -signal.SIGTERM
        assert gone(coming.folder)


def test_what_is_closed_before_it_was_taken_ends(sshd: Sshd) -> None:
    """As when Ctrl-C comes in between."""
    coming = begun(sshd.target())

    async def work() -> None:
        await arriving(coming).close()

    run(work())
    assert processes(str(coming.folder)) == []
    assert not coming.folder.exists()


def test_a_refusal_that_came_before_the_loop_is_told(sshd: Sshd, tmp_path: Path) -> None:
    """The same words as otherwise."""
    target = sshd.target(key=make_key(tmp_path / "other"))
    coming = begun(target)
    assert coming.master.wait(PATIENCE) == 255

    async def work() -> None:
        async with arriving(coming):
            pass

    with pytest.raises(LoginRefused):
        run(work())
    assert gone(coming.folder)


def test_this_machine_is_not_set_out_to() -> None:
    """There is nothing to begin."""
    with setting_out(Server(host="local")) as way:
        assert way.begun is None

        async def work() -> None:
            async with machine_at(way) as machine:
                assert (await machine.run(["echo", "here"])).stdout == b"here\n"

        run(work())


def test_without_ssh_on_this_machine_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is begun."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with (
        pytest.raises(ServerError, match="there is no `ssh` on this machine"),
        setting_out(Server(host="far")),
    ):
        pass


def test_nothing_stays_behind_a_process_that_is_killed_on_its_way(sshd: Sshd) -> None:
    """A kill -9 before any loop has taken the connection leaves no ssh, no helper and no folder."""
    program = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from ftl.ssh.target import Target
        from ftl.ssh.connecting import begin
        from ftl.ssh.configuration import resolve_at_once

        target = Target("127.0.0.1", {sshd.port}, None, Path({str(sshd.key)!r}), Path({str(sshd.known_hosts)!r}))
        begun = begin(target, resolve_at_once(target), interactive=False)
        print(begun.folder, flush=True)
        time.sleep(1000)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert len(processes(str(folder))) >= 2
        process.send_signal(signal.SIGKILL)
    assert gone(folder)


@pytest.mark.parametrize("refused", [False, True])
def test_a_cancellation_while_it_is_taken_ends_it(sshd: Sshd, refused: bool) -> None:
    """At whatever step of it, and whether ssh has ended meanwhile or not; it is not taken twice."""

    async def work(coming: Begun, steps: int) -> None:
        machine = arriving(coming)
        task = asyncio.create_task(machine.likely_engine_url())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await machine.close()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for steps in range(8):
            coming = begun(sshd.target(port=free_port()) if refused else sshd.target())
            if refused:
                coming.master.wait(PATIENCE)
            asyncio.run(work(coming, steps))
            assert processes(str(coming.folder)) == []
            assert not coming.folder.exists()
        gc.collect()
    assert [str(each.message) for each in caught if "transport" in str(each.message)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_while_it_sets_out(tmp_path: Path, number: signal.Signals) -> None:
    """A configuration of ssh's may take its time (`Match exec`): the command ends as it would later."""
    project = Project(tmp_path, environment(tmp_path / "home"))
    services = [{"name": "web", "image": "nginx"}]
    server = {"host": "127.0.0.1", "port": 1}
    project.write({"ftl.yaml": {"project": {"name": "shop"}, "server": server, "services": services}})
    pause = f"sleep 29.{time.time_ns()}"  # one that an earlier run has left is not meant
    config = tmp_path / "home" / ".ssh" / "config"
    config.write_text(f'Match exec "{pause}"\n{config.read_text()}')
    with project.start("--json", "status") as process:
        deadline = time.monotonic() + PATIENCE
        while not processes(pause.replace(" ", "\0")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert json.loads(said.splitlines()[-1])["exit_code"] == 130
