"""Kept connections: their masters, logins and commands."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.ssh.stage import processes

from ftl.ssh.multiplexing.kept import Persistence
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support.sshd import Sshd

    from ftl.ssh.openssh import OpenSSH


LONG = 300.0
"""Seconds to keep a connection in tests that do not wait for its end."""


def masters(folder: Path) -> list[int]:
    """The kept masters, by the title that ssh gives itself."""
    return [pid for pid in processes(f"ssh: {folder}/") if pid in processes("[mux]")]


def listening(folder: Path) -> list[str]:
    """The sockets in a folder that a process listens on."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return [line.split()[-1] for line in lines if str(folder) in line and " 00010000 " in line]


def logins(sshd: Sshd) -> int:
    """How often somebody has logged in."""
    return sshd.log.count("Accepted publickey")


def kept_for(sshd: Sshd, seconds: float = LONG, project: str = "shop") -> OpenSSH:
    """A connection that stays for some seconds."""
    return connect(sshd.target(), keep=Persistence(seconds, project), interactive=False)


async def visit(machine: OpenSSH) -> None:
    """A command: runs something on the server and opens a forward."""
    async with machine, machine.dial("127.0.0.1", 1):
        assert (await machine.run(["echo", "there"])).stdout == b"there\n"


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Processes that do not go on meanwhile."""
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


PROGRAM = """
import asyncio
from pathlib import Path
from ftl.ssh.multiplexing.kept import Persistence
from ftl.ssh.target import Target
from ftl.ssh.openssh import connect

async def work():
    target = Target("127.0.0.1", {port}, None, Path({key!r}), Path({known_hosts!r}))
    async with connect(target, keep=Persistence(300.0, "shop"), interactive=False) as machine:
        async with machine.dial("127.0.0.1", 1), machine.dial("127.0.0.1", 2):
            await machine.start(["cat"])
            silent = asyncio.create_task(machine.run(["sleep", "20.{port}"]))
            await asyncio.sleep(0.5)
            print("up", flush=True)
            await asyncio.sleep(1000)

asyncio.run(work())
"""
