"""Connecting to a server and, meanwhile, to its engine's usual socket."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.support.sshd import Sshd, make_key
from tests.support.processes import command_lines

from ftl.engine.api import Engine
from ftl.errors import ServerError
from ftl.host.session import open_session
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from ftl.ssh.target import Target

pytestmark = [pytest.mark.server, pytest.mark.engine]

PATIENCE = 30.0
"""Seconds that a test waits for what must happen; nothing is measured."""


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's work, bounded."""
    asyncio.run(asyncio.wait_for(work, PATIENCE))


@contextmanager
def server(folder: Path, *settings: str) -> Iterator[Sshd]:
    """An SSH server of this machine."""
    made = Sshd(folder, settings=settings)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where connections have their sockets, in this test alone; short, for those have short paths."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


async def nothing_left(folder: Path) -> None:
    """Wait until neither a process nor a socket of a connection is there."""
    async with asyncio.timeout(PATIENCE):
        while command_lines(str(folder)) or any(folder.iterdir()):
            await asyncio.sleep(0.05)


def test_a_session_speaks_to_the_engine_that_it_asked_early(
    tmp_path: Path, folder: Path, engine: str
) -> None:
    """The usual socket is the one that the server reports, so the early answer counts; there is one connection."""

    async def work() -> None:
        with server(tmp_path) as sshd:
            machine = connect(sshd.target())
            likely = await machine.likely_engine_url()
            async with open_session(machine) as session, Engine(engine, name="this machine") as here:
                assert session.engine.url == likely
                assert session.info == await here.info()
                assert session.machine.engine_socket == "/var/run/docker.sock"
            await nothing_left(folder)
            assert sshd.log.count("Accepted publickey") == 1

    run(work())


@contextmanager
def silent(folder: Path) -> Iterator[Target]:
    """A server that accepts connections, and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield Sshd(folder, port=listening.getsockname()[1]).target(key=None, known_hosts=None)


@contextmanager
def forced(folder: Path) -> Iterator[Target]:
    """A server that runs one command, whatever is asked for."""
    with server(folder, "ForceCommand echo only git here; exit 1") as sshd:
        yield sshd.target()


@contextmanager
def locked(folder: Path) -> Iterator[Target]:
    """A server that does not know our key."""
    with server(folder) as sshd:
        yield sshd.target(key=make_key(folder / "other"))


@contextmanager
def closed(folder: Path) -> Iterator[Target]:
    """No server."""
    yield Sshd(folder).target(key=None, known_hosts=None)


@pytest.mark.parametrize("refusing", [silent, forced, locked, closed])
def test_a_refusal_is_told_as_by_entering_alone(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, refusing: Any
) -> None:
    """Whichever way it is met first."""
    monkeypatch.setattr("ftl.ssh.connection._LOGIN_SECONDS", 3.0)
    said: list[tuple[str, str | None]] = []

    async def entering(target: Target) -> None:
        async with connect(target, interactive=False):
            pass

    async def asking(target: Target) -> None:
        async with open_session(connect(target, interactive=False)):
            pass

    with refusing(tmp_path) as target:
        for way in (entering, asking):
            with pytest.raises(ServerError) as caught:
                run(way(target))
            said.append((caught.value.message, caught.value.cause))
    assert len(set(said)) == 1, said
    run(nothing_left(folder))


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3])
def test_whoever_stops_while_connecting_leaves_nothing(tmp_path: Path, folder: Path, seconds: float) -> None:
    """At any moment: no process, no folder."""

    async def work() -> None:
        async def deploy() -> None:
            async with open_session(connect(sshd.target())):
                await asyncio.sleep(PATIENCE)

        task = asyncio.create_task(deploy())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await nothing_left(folder)

    with server(tmp_path) as sshd:
        run(work())
