"""Kept connections: they are used, end in time, and never stand in a command's way."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.ssh.keeping import PROGRAM, kept_for, listening, logins, masters, stopped, visit
from tests.e2e.ssh.stage import PATIENCE, processes, run, until
from tests.e2e.support.sshd import Sshd, descendants

from ftl.errors import HostKeyChanged
from ftl.ssh.configuration import resolve
from ftl.ssh.multiplexing import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.ssh.openssh import OpenSSH

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of kept connections, in this test alone; they end with the test."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    folder = Path(os.environ["XDG_RUNTIME_DIR"])
    yield folder / "ftl"
    for pid in masters(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def test_the_next_command_uses_the_connection_and_leaves_nothing_else_of_its_own(
    sshd: Sshd, runtime: Path
) -> None:
    """One login for three commands; between them there is the master, its socket, and nothing else."""

    async def work() -> None:
        for _again in range(3):
            await visit(kept_for(sshd))
            assert len(masters(runtime)) == 1
            assert processes(str(runtime)) == masters(runtime)
            assert len(listening(runtime)) == 1
            assert not list(runtime.glob("*/command-*"))

    run(work())
    assert logins(sshd) == 1


def test_it_ends_after_its_time(sshd: Sshd, runtime: Path) -> None:
    """Then there is no process and no socket, and the next command logs in."""

    async def work() -> None:
        await visit(kept_for(sshd, 1))
        await until(lambda: not processes(str(runtime)) and not listening(runtime))
        await visit(kept_for(sshd, 1))

    run(work())
    assert logins(sshd) == 2


def test_it_does_not_end_during_a_command(sshd: Sshd) -> None:
    """A command that builds for a while, and says nothing to the server meanwhile, still has its connection."""

    async def work() -> None:
        async with kept_for(sshd, 1) as machine:
            await asyncio.sleep(4)
            assert (await machine.run(["echo", "there"])).stdout == b"there\n"

    run(work())
    assert logins(sshd) == 1


def test_commands_at_once_share_it_and_the_sessions_that_sshd_allows(sshd: Sshd) -> None:
    """Two commands want twice as many sessions as sshd allows on one connection (MaxSessions 10); none is refused."""

    async def busy(machine: OpenSSH) -> None:
        for process in await asyncio.gather(*(machine.start(["cat"]) for _again in range(3))):
            done = await asyncio.gather(*(machine.run(["sh", "-c", "sleep 0.3; echo 1"]) for _ in range(8)))
            assert [one.stdout for one in done] == [b"1\n"] * 8
            assert process.stdin is not None
            process.stdin.close()
            assert await process.wait() == 0

    async def work() -> None:
        async with kept_for(sshd) as one, kept_for(sshd) as other:
            await asyncio.gather(busy(one), busy(other))

    run(work())
    assert logins(sshd) == 1


def test_commands_that_begin_at_once_both_work(sshd: Sshd, runtime: Path) -> None:
    """One of them becomes the master; the other one's connection does not stay."""

    async def work() -> None:
        await asyncio.gather(visit(kept_for(sshd)), visit(kept_for(sshd)))
        assert len(masters(runtime)) == 1
        await visit(kept_for(sshd))
        assert processes(str(runtime)) == masters(runtime)

    run(work())


def test_the_end_of_one_command_leaves_another_alone(sshd: Sshd) -> None:
    """Forwards and commands of one who shares the connection go on when the other leaves."""

    async def work() -> None:
        async with kept_for(sshd) as one, one.dial("127.0.0.1", sshd.port) as url:
            process = await one.start(["cat"])
            await visit(kept_for(sshd))
            reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix://"))
            assert (await reader.readline()).startswith(b"SSH-2.0")
            writer.close()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"line\n")
            assert await process.stdout.readline() == b"line\n"

    run(work())


def test_nothing_is_kept_in_ci(sshd: Sshd, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job leaves nothing behind."""
    monkeypatch.setenv("CI", "true")

    async def work() -> None:
        await visit(kept_for(sshd))
        await visit(kept_for(sshd))

    run(work())
    assert logins(sshd) == 2
    assert not runtime.exists()
    assert processes(f"\0{sshd.port}\0") == []


def test_nothing_is_kept_where_the_users_configuration_shares_connections(
    sshd: Sshd, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has written ControlMaster for this host has decided how long connections stay."""
    config = tmp_path / "config"
    config.write_text(f"Host 127.0.0.1\n  ControlMaster auto\n  ControlPath {tmp_path}/theirs\n")
    wrapper = tmp_path / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{config}" "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")

    async def work() -> None:
        await visit(kept_for(sshd))
        await visit(kept_for(sshd))

    run(work())
    assert logins(sshd) == 2
    assert not runtime.exists()
    assert not (tmp_path / "theirs").exists()


def test_a_server_that_has_started_again_is_connected_to_anew(sshd: Sshd, runtime: Path) -> None:
    """The master notices at once, or when it is used."""

    async def work() -> None:
        await visit(kept_for(sshd))
        sshd.stop()
        sshd.start()
        await visit(kept_for(sshd))
        assert len(masters(runtime)) == 1

    run(work())
    assert logins(sshd) == 2


def test_a_network_that_has_gone_costs_seconds(sshd: Sshd, runtime: Path) -> None:
    """The far end says nothing more (the laptop slept): a new connection is made, and kept in place of the old."""

    async def work() -> None:
        await visit(kept_for(sshd))
        (old,) = masters(runtime)
        assert sshd.process is not None
        with stopped(descendants(sshd.process.pid)):
            await visit(kept_for(sshd))
            await visit(kept_for(sshd))
        assert logins(sshd) == 2
        await until(lambda: old not in masters(runtime))
        assert len(masters(runtime)) == 1

    run(work())


def test_a_command_that_the_network_leaves_says_so(sshd: Sshd) -> None:
    """A kept connection that is lost in the middle is lost, as another is; the next command has a new one."""

    async def work() -> None:
        machine = kept_for(sshd)
        async with machine:
            sshd.stop()
            with pytest.raises(Exception, match=r"connection to 127\.0\.0\.1 was lost"):
                await machine.run(["true"])
        sshd.start()
        await visit(kept_for(sshd))

    run(work())


def test_a_master_that_is_stuck_is_replaced(sshd: Sshd, runtime: Path) -> None:
    """A process that does not go on costs a command a second, the next one nothing."""

    async def work() -> None:
        await visit(kept_for(sshd))
        with stopped(masters(runtime)):
            await visit(kept_for(sshd))
            assert len(masters(runtime)) == 2
            await visit(kept_for(sshd))
        await visit(kept_for(sshd))

    run(work())
    assert logins(sshd) == 2


def test_a_master_that_was_killed_is_replaced(sshd: Sshd, runtime: Path) -> None:
    """Its socket is still there, and nobody listens."""

    async def work() -> None:
        await visit(kept_for(sshd))
        (old,) = masters(runtime)
        os.kill(old, signal.SIGKILL)
        await until(lambda: old not in masters(runtime))
        assert list(runtime.glob("*/master"))
        await visit(kept_for(sshd))
        assert len(masters(runtime)) == 1

    run(work())


def test_a_process_that_is_killed_leaves_nothing_but_the_master(sshd: Sshd, runtime: Path) -> None:
    """No ssh, no helper, no forward, no folder, and what it had started there has ended; others can go on."""
    text = PROGRAM.format(port=sshd.port, key=str(sshd.key), known_hosts=str(sshd.known_hosts))
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert len(listening(runtime)) == 3
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while (
        processes(str(runtime)) != masters(runtime)
        or len(listening(runtime)) != 1
        or list(runtime.glob("*/command-*"))
    ):
        assert time.monotonic() < deadline, (processes(str(runtime)), listening(runtime))
        time.sleep(0.05)
    run(visit(kept_for(sshd)))
    assert logins(sshd) == 1
    assert sshd.process is not None
    assert not [pid for pid in descendants(sshd.process.pid) if pid in processes("cat")]


def test_a_project_that_moves_to_another_server_ends_the_connection_to_the_former(
    sshd: Sshd, runtime: Path, tmp_path: Path
) -> None:
    """As soon as it connects there; what another project has kept stays."""
    (tmp_path / "other").mkdir()
    other = Sshd(tmp_path / "other")
    other.start()

    async def work() -> None:
        await visit(kept_for(sshd, project="shop"))
        (first,) = masters(runtime)
        await visit(kept_for(other, project="blog"))
        assert len(masters(runtime)) == 2
        await visit(kept_for(other, project="shop"))
        await until(lambda: first not in masters(runtime))
        assert len(masters(runtime)) == 1

    try:
        run(work())
    finally:
        other.stop()


def test_what_is_kept_to_a_server_that_was_changed_is_not_used_again(sshd: Sshd, runtime: Path) -> None:
    """A command that uses it goes on, the next one logs in: to another group of its user, say."""

    async def work() -> None:
        async with kept_for(sshd) as machine:
            (old,) = masters(runtime)
            await kept.retire_server(await resolve(sshd.target()), os.environ)
            await visit(kept_for(sshd))
            assert logins(sshd) == 2
            assert (await machine.run(["echo", "on"])).stdout == b"on\n"
            assert old in masters(runtime)
        await until(lambda: old not in masters(runtime))
        await kept.retire_server(await resolve(sshd.target()), os.environ)
        await until(lambda: not masters(runtime))

    run(work())


def test_a_changed_host_key_ends_what_is_kept_to_that_server(
    sshd: Sshd, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is refused, and so is every other way to the server that was known before."""

    async def work() -> None:
        await visit(kept_for(sshd))
        monkeypatch.setenv("SSH_AUTH_SOCK", "/nonexistent/another")
        assert sshd.process is not None
        with stopped(descendants(sshd.process.pid)):  # so that it does not notice by itself
            os.kill(sshd.process.pid, signal.SIGTERM)
            sshd.process.wait()
            sshd.process = None
            sshd.new_host_key()
            with pytest.raises(HostKeyChanged):
                await visit(kept_for(sshd))
            assert not list(runtime.glob("*/master"))

    run(work())
