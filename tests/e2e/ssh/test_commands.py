"""Commands and forwards over a real sshd on this machine."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from lab.prepare import Tool, ensure
from tests.e2e.ssh.stage import PATIENCE, processes, run, until
from tests.e2e.support.sshd import Sshd, descendants, free_port

from ftl.engine.transport.connector import connector
from ftl.errors import ServerError
from ftl.ssh import commands
from ftl.ssh.local import Local
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.ssh.machine import Machine

pytestmark = pytest.mark.server


@asynccontextmanager
async def web() -> AsyncIterator[int]:
    """A tiny HTTP server of this process; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def fetch(url: str) -> str:
    """GET over a dialled URL."""
    address = url.removeprefix("tcp://") if url.startswith("tcp://") else "app"
    async with (
        aiohttp.ClientSession(connector=connector(url)) as session,
        session.get(f"http://{address}/") as answer,
    ):
        return await answer.text()


def test_a_command_runs_with_its_arguments_stdin_outputs_and_status(sshd: Sshd) -> None:
    """Arguments, stdin, both outputs and the status of a command come through as they are."""

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            script = 'cat; printf "%s|" "$@"; echo oops >&2; exit 7'
            argv = ["sh", "-c", script, "sh", "a b", "$HOME", "'", "", "ü\n", "*"]
            done = await machine.run(argv, stdin=b"in\x00put ")
        assert done.exit_code == 7
        assert done.stdout == "in\x00put a b|$HOME|'||ü\n|*|".encode()
        assert done.stderr == b"oops\n"
        assert done.argv == tuple(argv)

    run(work())


def test_what_the_login_prints_is_not_the_commands_output(tmp_path: Path) -> None:
    """A login shell that greets on both streams, without a newline, is heard neither by `run` nor by `start`."""
    greeting = tmp_path / "greeting"
    greeting.write_text("printf 'Welcome to prod'; printf 'You have mail' >&2\n")
    noisy = Sshd(tmp_path, settings=(f"SetEnv BASH_ENV={greeting}",))
    noisy.start()

    async def work() -> None:
        async with connect(noisy.target()) as machine:
            done = await machine.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
            assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
            process = await machine.start(["sh", "-c", "cat; echo end >&2"])
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(b"hello\n")
            assert await process.stdout.readline() == b"hello\n"
            process.stdin.close()
            assert await process.stderr.read() == b"end\n"

    try:
        run(work())
    finally:
        noisy.stop()


def test_a_command_that_prints_too_much_is_an_error(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the limit is not kept, and the rest is not taken for all; a login may be what prints."""
    monkeypatch.setattr(commands, "OUTPUT_BYTES", 1 << 20)

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            with pytest.raises(ServerError, match="printed more than 1 MB") as caught:
                await machine.run(["head", "-c", "2000000", "/dev/zero"])
            assert ".bashrc" in (caught.value.hint or "")

    run(work())


def test_csh_as_the_login_shell(tmp_path: Path) -> None:
    """Commands with newlines and `!` run, and are ended, where csh reads the command line (R-9)."""
    ensure((Tool("tcsh", "tcsh"),))
    csh = Sshd(tmp_path, settings=('ForceCommand exec tcsh -c "$SSH_ORIGINAL_COMMAND"',))
    csh.start()

    async def work() -> None:
        async with connect(csh.target()) as machine:
            done = await machine.run(["sh", "-c", 'echo a!b\necho "$1"; exit 3', "sh", "it's\n!!"])
            assert (done.exit_code, done.stdout) == (3, b"a!b\nit's\n!!\n")
            with pytest.raises(ServerError, match="did not end within"):
                await machine.run(["sleep", "98765"], timeout=0.5)
        await until(lambda: not processes("sleep\x0098765"))

    try:
        run(work())
    finally:
        csh.stop()


def test_a_configuration_that_runs_no_commands_is_overridden(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands run and get their input despite `StdinNull`, `ForkAfterAuthentication` and `SessionType` (R-8)."""
    configuration = tmp_path / "config"
    configuration.write_text("StdinNull yes\nForkAfterAuthentication yes\nSessionType none\n")
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    real = shutil.which("ssh")
    ssh.write_text(
        "#!/bin/sh\n"
        f'case " $* " in *" -F "*) exec {real} "$@" ;; *) exec {real} -F {configuration} "$@" ;; esac\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            assert (await machine.run(["cat"], stdin=b"input")).stdout == b"input"

    run(work())


def test_a_server_that_allows_one_session(tmp_path: Path) -> None:
    """With `MaxSessions 1`, too, commands stay open beside others: over more connections (W-7)."""
    few = Sshd(tmp_path, settings=("MaxSessions 1",))
    few.start()

    async def work() -> None:
        async with connect(few.target()) as machine:
            lock, transfer, third = [await machine.start(["sh", "-c", "read x; echo $x"]) for _ in range(3)]
            done = await asyncio.gather(*(machine.run(["sh", "-c", "sleep 0.2; echo 1"]) for _ in range(3)))
            assert [each.stdout for each in done] == [b"1\n"] * 3
            with pytest.raises(ServerError, match="did not end within"):
                await machine.run(["sleep", "98764"], timeout=0.5)
            for process in (lock, transfer, third):
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(b"hello\n")
                assert await process.stdout.read() == b"hello\n"
                assert await process.wait() == 0
        await until(lambda: not processes("sleep\x0098764"))
        await until(lambda: not processes(str(few.key)))

    try:
        run(work())
    finally:
        few.stop()


def test_a_connection_over_which_nothing_comes_is_lost(sshd: Sshd) -> None:
    """A command's time limit names the connection, and since when it is silent, not the command (S-3)."""

    async def work() -> None:
        async with connect(sshd.target(), interactive=False) as machine:
            await machine.run(["true"])
            assert sshd.process is not None
            stalled = descendants(sshd.process.pid)
            for process in stalled:
                os.kill(process, signal.SIGSTOP)
            try:
                with pytest.raises(ServerError, match=r"connection to 127\.0\.0\.1 was lost") as raised:
                    await machine.run(["sh", "-c", "sleep 1"], timeout=2)
            finally:
                for process in stalled:
                    os.kill(process, signal.SIGCONT)
            assert re.fullmatch(r"no answer for \d.* s, since \d\d:\d\d:\d\d", raised.value.cause or "")

    run(work())


def test_a_status_of_255_is_the_commands_own_while_the_connection_stands(sshd: Sshd) -> None:
    """255, which ssh itself ends with when it fails, is not taken for a lost connection."""

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            assert (await machine.run(["sh", "-c", "exit 255"])).exit_code == 255

    run(work())


def test_many_commands_run_in_parallel_over_one_connection(sshd: Sshd) -> None:
    """Thirty commands at once stay within sshd's MaxSessions and log in once."""

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            done = await asyncio.gather(*(machine.run(["echo", str(number)]) for number in range(30)))
        assert [int(one.stdout) for one in done] == list(range(30))

    run(work())
    assert sshd.log.count("Accepted publickey") == 1


def test_a_command_that_takes_too_long_is_ended(sshd: Sshd) -> None:
    """A command beyond its timeout is an error that names it; it ends there, and the connection goes on."""
    seconds = f"1000.{sshd.port}"

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            with pytest.raises(ServerError, match="`sh` did not end within 2 seconds") as raised:
                await machine.run(["sh", "-c", f"echo waiting >&2; sleep {seconds}; true"], timeout=2.0)
            assert raised.value.cause == "waiting"
            await until(lambda: not processes(seconds))
            assert (await machine.run(["echo", "on"])).stdout == b"on\n"

    run(work())


def test_a_cancelled_command_is_ended_and_frees_its_session(sshd: Sshd) -> None:
    """More commands than sshd allows sessions can be given up one after the other."""
    seconds = f"1001.{sshd.port}"

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            for _again in range(12):
                task = asyncio.create_task(machine.run(["sleep", seconds]))
                await until(lambda: len(processes(f"sleep\0{seconds}\0")) == 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await until(lambda: not processes(seconds))
            assert (await machine.run(["echo", "on"])).stdout == b"on\n"

    run(work())


def test_a_command_writes_to_stderr_as_it_pleases(sshd: Sshd) -> None:
    """What is needed to end a command does not show in its stderr."""

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            assert (await machine.run(["true"])).stderr == b""
            assert (await machine.run(["no-such-program"])).exit_code == 127

    run(work())


def test_a_started_command_talks_both_ways_and_ends_with_the_connection(sshd: Sshd) -> None:
    """`start` gives pipes to a command there; closing the machine ends it."""

    async def work() -> None:
        async with connect(sshd.target()) as machine:
            process = await machine.start(["cat"])
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"line\n")
            assert await process.stdout.readline() == b"line\n"
        assert await asyncio.wait_for(process.wait(), PATIENCE) != 0

    run(work())


def test_a_dialled_address_is_reached_through_the_server(sshd: Sshd) -> None:
    """`dial` yields a URL that an HTTP client uses, the same one for the same address; nobody else can open it."""

    async def work() -> None:
        async with web() as port, connect(sshd.target()) as machine:
            async with machine.dial("127.0.0.1", port) as url:
                assert await fetch(url) == "hello"
                path = Path(url.removeprefix("unix://"))
                assert path.stat().st_mode & 0o077 == 0
                assert path.parent.stat().st_mode & 0o777 == 0o700
            async with machine.dial("127.0.0.1", port) as again, machine.dial("127.0.0.1", 1) as other:
                assert again == url
                assert other != url
                assert await fetch(again) == "hello"
        assert not path.exists()

    run(work())


def test_a_dialled_port_without_a_listener_closes_at_once(sshd: Sshd) -> None:
    """Nothing listening there is an error of the request, not a hang."""

    async def work() -> None:
        async with connect(sshd.target()) as machine, machine.dial("127.0.0.1", free_port()) as url:
            with pytest.raises(aiohttp.ClientError):
                await fetch(url)

    run(work())


def test_this_machine_behaves_like_a_server() -> None:
    """`Local` runs commands and dials as a server does."""

    async def work(machine: Machine) -> None:
        async with web() as port, machine:
            done = await machine.run(["sh", "-c", "cat; exit 3"], stdin=b"x")
            assert (done.exit_code, done.stdout) == (3, b"x")
            assert (await machine.run(["no-such-program"])).exit_code == 127
            async with machine.dial("127.0.0.1", port) as url:
                assert url == f"tcp://127.0.0.1:{port}"
                assert await fetch(url) == "hello"
            process = await machine.start(["cat"])
        assert process.returncode is not None

    run(work(Local()))
