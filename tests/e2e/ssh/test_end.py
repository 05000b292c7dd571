"""How connections end, whatever happens to us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.ssh.stage import PATIENCE, processes, run

from ftl.errors import ServerError
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from tests.e2e.sshd import Sshd

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
                assert end.cause == "Connection to 127.0.0.1 closed by remote host."

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
        assert process.stdout is not None
        folder = process.stdout.readline().strip()
        assert len(processes(folder)) >= 3
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
