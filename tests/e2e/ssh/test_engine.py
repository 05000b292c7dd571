"""Docker engines over SSH: this machine's through a sshd of the test, and lab servers'."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.support.sshd import Sshd

from ftl.engine.api import Engine
from ftl.engine.specs import ContainerSpec
from ftl.errors import ServerError
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory

    from ftl.ssh.machine import Machine

pytestmark = [pytest.mark.server, pytest.mark.engine]


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's work, bounded."""
    asyncio.run(asyncio.wait_for(work, 120))


def target(server: Server, *, user: str | None = None) -> Target:
    """A lab server as ssh is told of it."""
    return Target(server.host, server.port, user or server.user, server.key, server.known_hosts)


def no_engine(server: Target) -> ServerError:
    """The error of asking a server's engine."""

    async def work() -> None:
        async with connect(server, interactive=False) as machine:
            await _ask(machine)

    with pytest.raises(ServerError) as caught:
        run(work())
    return caught.value


def test_an_engine_over_ssh_is_the_same_engine(sshd: Sshd, engine: str) -> None:
    """Through the forwarded socket the same engine answers as on this machine's own."""

    async def work() -> None:
        async with Engine(engine, name="this machine") as here, connect(sshd.target()) as machine:
            url = await machine.engine_url()
            assert await machine.engine_url() == url
            async with Engine(url, name=machine.name, explain=machine.explain) as there:
                assert await there.info() == await here.info()
                answers = await asyncio.gather(*(there.volumes() for _again in range(20)))
                assert len(answers) == 20

    run(work())


def test_an_exec_reads_its_stdin_to_the_end_over_ssh(sshd: Sshd, busybox: str, testrun_uid: str) -> None:
    """The end of stdin travels through the forward, so a command that reads to the end ends."""
    name = f"ftl-ssh-engine-{testrun_uid[:8]}"
    spec = ContainerSpec(image=busybox, labels={}, command=("busybox", "sleep", "300"), restart="no")

    async def work() -> None:
        async with (
            connect(sshd.target()) as machine,
            Engine(await machine.engine_url(), name=machine.name) as engine,
        ):
            await engine.create(name, spec)
            try:
                await engine.start(name)
                done = await engine.execute(name, ["busybox", "wc", "-c"], stdin=b"x" * 3_000_000)
                assert done.stdout.strip() == b"3000000"
            finally:
                await engine.remove(name, force=True)

    run(work())


def test_a_server_that_forwards_no_sockets_is_told_apart(tmp_path: Path, engine: str) -> None:
    """With stream-local forwarding disabled the error names the setting of sshd."""
    server = Sshd(tmp_path, settings=("AllowStreamLocalForwarding no",))
    server.start()
    try:
        error = no_engine(server.target())
    finally:
        server.stop()
    assert error.message == "the SSH server of 127.0.0.1 forwards no sockets"
    assert error.hint is not None
    assert "AllowStreamLocalForwarding yes" in error.hint


def test_a_connection_that_breaks_during_a_call_is_not_blamed_on_the_engine(sshd: Sshd, engine: str) -> None:
    """A call under way when the server goes away ends with the lost connection, exit code 3."""

    async def work() -> None:
        async with connect(sshd.target(), interactive=False) as machine:
            url = await machine.engine_url()
            async with Engine(url, name=machine.name, explain=machine.explain) as remote:
                await remote.info()
                sshd.stop()
                with pytest.raises(ServerError, match=r"connection to 127\.0\.0\.1 was lost") as caught:
                    await remote.containers()
                assert caught.value.exit_code == 3

    run(work())


def test_a_user_outside_the_docker_group_is_told_the_command(server_factory: ServerFactory) -> None:
    """Who may log in and not use Docker learns which command, with their name in it, changes that."""
    error = no_engine(target(server_factory(users=("guest",)), user="guest"))
    assert error.message == "guest may not use Docker on 127.0.0.1"
    assert error.hint is not None
    assert "`sudo usermod -aG docker guest`" in error.hint


async def _ask(machine: Machine) -> None:
    url = await machine.engine_url()
    async with Engine(url, name=machine.name, explain=machine.explain) as engine:
        await engine.info()


def test_a_stopped_engine_is_told_apart_and_found_again(server_factory: ServerFactory) -> None:
    """An engine that does not run says so; the same connection finds it when it runs again."""
    server = server_factory()

    async def work() -> None:
        await asyncio.to_thread(server.stop_engine)
        async with connect(target(server)) as machine:
            with pytest.raises(
                ServerError, match=r"the Docker engine on 127\.0\.0\.1 does not (run|answer)"
            ) as caught:
                await _ask(machine)
            assert caught.value.hint is not None
            assert "systemctl" in caught.value.hint
            await asyncio.to_thread(server.start_engine)
            await _ask(machine)

    run(work())


def test_a_socket_that_nothing_listens_on_is_not_blamed_on_ssh(server_factory: ServerFactory) -> None:
    """The socket of an engine that was killed is there and answers nothing: the engine is named, not sshd."""
    server = server_factory()
    server.stop_engine()
    server.run("python3", "-c", "import socket; socket.socket(socket.AF_UNIX).bind('/var/run/docker.sock')")
    server.run("chmod", "666", "/var/run/docker.sock")
    error = no_engine(target(server))
    assert error.message == "the Docker engine on 127.0.0.1 does not answer"
    assert error.cause == "nothing listens on /var/run/docker.sock"


def test_a_server_without_docker_is_told_apart(server_factory: ServerFactory) -> None:
    """Where Docker is not installed the error says how to install it."""
    error = no_engine(target(server_factory(bare=True)))
    assert error.message == "Docker is not installed on 127.0.0.1"
    assert error.hint is not None
    assert "apt-get install docker.io" in error.hint
