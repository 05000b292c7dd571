"""SSH against a real sshd on this machine."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.e2e.sshd import Sshd, free_port, make_key

from ftl.engine import connector
from ftl.errors import HostKeyChanged, ServerError, UsageError
from ftl.ssh import Local, Machine, Target, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

pytestmark = pytest.mark.server

# How long the tests wait for what must happen; nothing is measured.
PATIENCE = 20.0


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server that lets us in."""
    server = Sshd(tmp_path)
    server.start()
    yield server
    server.stop()


def refusal(target: Target) -> ServerError:
    """The error of a connection that must not come to be."""

    async def work() -> None:
        async with connect(target, interactive=False):
            pass

    with pytest.raises(ServerError) as caught:
        asyncio.run(work())
    return caught.value


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's work, bounded."""
    asyncio.run(asyncio.wait_for(work, 60))


async def until(condition: Any) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


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


def processes(words: str) -> list[int]:
    """The processes on this machine whose arguments contain these words."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


# --- commands ---------------------------------------------------------------------------------------


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
            with pytest.raises(ServerError, match="`sh` did not end within 2 seconds"):
                await machine.run(["sh", "-c", f"sleep {seconds}; true"], timeout=2.0)
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


# --- refusals ---------------------------------------------------------------------------------------


def test_an_unknown_host_is_named() -> None:
    """A host name that resolves to nothing says so, with exit code 3."""
    error = refusal(Target("no-such-host.invalid"))
    assert "no host named no-such-host.invalid" in error.message
    assert error.exit_code == 3


def test_a_closed_port_is_named() -> None:
    """A port that nothing listens on says which."""
    port = free_port()
    error = refusal(Target("127.0.0.1", port=port))
    assert f"refuses connections on port {port}" in error.message
    assert error.cause is not None
    assert "Connection refused" in error.cause


def test_a_refused_key_is_named(sshd: Sshd, tmp_path: Path) -> None:
    """A key the server does not know says who was refused and which key was offered."""
    stranger = make_key(tmp_path / "stranger")
    error = refusal(sshd.target(key=stranger, user="somebody"))
    assert error.message == "127.0.0.1 does not let somebody in"
    assert error.hint is not None
    assert str(stranger) in error.hint
    assert f"-p {sshd.port} somebody@127.0.0.1" in error.hint


def test_a_missing_key_file_is_named(sshd: Sshd, tmp_path: Path) -> None:
    """A private key that is not there is said to be missing, not to be refused."""
    error = refusal(sshd.target(key=tmp_path / "gone"))
    assert error.message == f"the SSH key {tmp_path / 'gone'} cannot be read"


def test_a_key_that_others_can_read_is_refused_with_the_command_that_helps(sshd: Sshd) -> None:
    """What ssh says about a world-readable key becomes a chmod to type."""
    sshd.key.chmod(0o644)
    error = refusal(sshd.target())
    assert "others can read it" in error.message
    assert error.hint == f"`chmod 600 {sshd.key}`"


def test_a_key_with_a_passphrase_asks_for_the_agent_when_there_is_no_terminal(
    sshd: Sshd, tmp_path: Path
) -> None:
    """Without a terminal an encrypted key is an error that names ssh-add, not one that waits."""
    locked = make_key(tmp_path / "locked", passphrase="correct horse")
    error = refusal(sshd.target(key=locked))
    assert "has a passphrase" in error.message
    assert error.hint == f"`ssh-add {locked}` gives it to the agent"


def test_a_changed_host_key_is_refused_with_the_line_that_forgets_the_old_one(sshd: Sshd) -> None:
    """A server with another host key is not spoken to; the hint's command makes it acceptable again."""
    run(_visit(sshd.target()))
    sshd.new_host_key()
    error = refusal(sshd.target())
    assert isinstance(error, HostKeyChanged)
    assert error.exit_code == 3
    assert error.hint is not None
    command = re.search(r"`(ssh-keygen .+?)`", error.hint)
    assert command is not None
    subprocess.run(["sh", "-c", command[1]], check=True, capture_output=True)
    run(_visit(sshd.target()))


async def _visit(target: Target) -> None:
    async with connect(target, interactive=False):
        pass


def test_a_new_servers_host_key_is_remembered(sshd: Sshd) -> None:
    """The first connection writes the host key down, for the second one to check."""
    run(_visit(sshd.target()))
    _kind, key, *_comment = (sshd.folder / "host.pub").read_text().split()
    assert key in sshd.known_hosts.read_text()


def test_a_server_that_gives_up_on_too_many_keys_says_so(tmp_path: Path) -> None:
    """Too many offered keys are told apart from a wrong key."""
    server = Sshd(tmp_path, settings=("MaxAuthTries 1",))
    server.start()
    try:
        error = refusal(server.target(key=make_key(tmp_path / "other")))
    finally:
        server.stop()
    assert "gave up before the right key was tried" in error.message


def test_a_login_that_runs_no_commands_is_told_apart(tmp_path: Path) -> None:
    """An account with a forced command is reported with that command's own words."""
    server = Sshd(tmp_path, settings=("ForceCommand echo only git here; exit 1",))
    server.start()
    try:
        error = refusal(server.target())
    finally:
        server.stop()
    assert "cannot run commands on 127.0.0.1" in error.message
    assert error.cause == "only git here"


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch /tmp/owned", "a b", "a;b", "$(id)", "", "a\nb", "`id`"]
)
def test_a_host_that_ssh_or_a_shell_would_read_as_something_else_is_refused(host: str) -> None:
    """What is not the name of a host never becomes an argument of ssh."""
    with pytest.raises(UsageError):
        Target(host)


def test_without_ssh_on_this_machine_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing ssh program is named, with the package that has it."""
    monkeypatch.setenv("PATH", "/nonexistent")
    error = refusal(Target("127.0.0.1"))
    assert "no `ssh` on this machine" in error.message


def test_a_passphrase_can_be_typed_where_there_is_a_terminal(sshd: Sshd, tmp_path: Path) -> None:
    """On a terminal ssh asks for the key's passphrase, and the connection goes on with it."""
    locked = make_key(tmp_path / "locked", passphrase="correct horse")
    (tmp_path / "authorized").write_text((tmp_path / "locked.pub").read_text())
    program = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from ftl.ssh import Target, connect

        async def work():
            target = Target("127.0.0.1", {sshd.port}, None, Path({str(locked)!r}), Path({str(sshd.known_hosts)!r}))
            async with connect(target) as machine:
                print((await machine.run(["echo", "let", "in"])).stdout.decode())

        asyncio.run(work())
    """)
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    said = b""
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        while b"let in" not in said:
            assert select.select([screen], [], [], PATIENCE)[0], said
            said += screen.read(1000)
            if said.endswith(b"locked': "):
                screen.write(b"correct horse\n")
    os.waitpid(child, 0)


# --- forwards ---------------------------------------------------------------------------------------


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


# --- the connection's end ---------------------------------------------------------------------------


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
        from ftl.ssh import Target, connect

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
        from ftl.ssh import Target, connect

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


# --- this machine -----------------------------------------------------------------------------------


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
