"""How connections end, whatever happens to us."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.ssh.stage import PATIENCE, processes, run, until
from tests.harness import Project, environment

from ftl.errors import ServerError
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from tests.e2e.support.sshd import Sshd

pytestmark = pytest.mark.server


def test_closing_leaves_no_process_and_no_folder(sshd: Sshd) -> None:
    """After the context ssh, its helper and the folder with the sockets are gone."""

    async def work() -> str:
        async with connect(sshd.target()) as machine, machine.dial("127.0.0.1", 1) as url:
            await machine.start(["cat"])
            folder = str(Path(url.removeprefix("unix://")).parent)
            assert processes(folder)
        return folder

    folder = asyncio.run(work())
    assert processes(folder) == []
    assert not Path(folder).exists()


def test_a_connection_that_breaks_is_noticed_and_named(sshd: Sshd) -> None:
    """When the server goes away, the command under way and every further call say so, with exit code 3."""

    async def work() -> None:
        async with connect(sshd.target(), interactive=False) as machine:
            command = asyncio.create_task(machine.run(["sleep", "30"]))
            await asyncio.sleep(0.5)
            sshd.stop()
            await asyncio.wait({command}, timeout=PATIENCE)
            ends = await asyncio.gather(
                command, machine.run(["true"]), machine.start(["true"]), return_exceptions=True
            )
            for end in [*ends, await machine.explain()]:
                assert isinstance(end, ServerError)
                assert end.message == "the connection to 127.0.0.1 was lost"
                assert end.cause == "the server closed it"

    run(work())


def test_nothing_stays_behind_a_killed_process(sshd: Sshd) -> None:
    """A kill -9 of the process that holds a connection leaves no ssh, no helper and no socket."""
    program = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from ftl.ssh.target import Target
        from ftl.ssh.openssh import connect

        async def work():
            target = Target("127.0.0.1", {sshd.port}, None, Path({str(sshd.key)!r}), Path({str(sshd.known_hosts)!r}))
            async with connect(target, interactive=False) as machine, machine.dial("127.0.0.1", 1) as url:
                await machine.start(["cat"])
                print(Path(url.removeprefix("unix://")).parent, flush=True)
                await asyncio.sleep(1000)

        asyncio.run(work())
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            folder = process.stdout.readline().strip()
            assert folder
            # A child has its parent's arguments until its exec, which the parent does not wait for.
            run(until(lambda: len(processes(folder)) >= 3))
        finally:
            process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while processes(folder) or Path(folder).exists():
        assert time.monotonic() < deadline, processes(folder)
        time.sleep(0.05)


def test_ctrl_c_reaches_the_program_and_not_its_connection(sshd: Sshd) -> None:
    """A terminal's SIGINT to the whole group leaves the connection up for the clean-up that follows."""
    program = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from ftl.ssh.target import Target
        from ftl.ssh.openssh import connect

        async def work():
            target = Target("127.0.0.1", {sshd.port}, None, Path({str(sshd.key)!r}), Path({str(sshd.known_hosts)!r}))
            async with connect(target, interactive=True) as machine:
                print("up", flush=True)
                try:
                    await asyncio.sleep(1000)
                finally:
                    print((await machine.run(["echo", "cleaned"])).stdout.decode(), flush=True)

        asyncio.run(work())
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "cleaned\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_while_ssh_reads_its_configuration(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A configuration may take its time (`Match exec`): the command ends as it would later."""
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


@pytest.mark.parametrize("interactive", [False, True])
def test_leaving_does_not_wait_for_a_server_that_says_nothing(interactive: bool) -> None:
    """It can not be asked to exit yet, and ssh would wait for ten seconds, or for a passphrase."""

    async def work(port: int) -> None:
        machine = connect(Target("127.0.0.1", port), interactive=interactive)
        connecting = asyncio.create_task(machine.likely_engine_url())
        await until(lambda: processes(f"\0{port}\0"))
        began = time.monotonic()
        connecting.cancel()
        await asyncio.wait([connecting])
        await machine.close()
        assert time.monotonic() - began < 3
        assert processes(f"\0{port}\0") == []

    with socket.create_server(("127.0.0.1", 0)) as silent:
        run(work(silent.getsockname()[1]))
