"""Local ports of tunnels, and the relay behind them."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import wraps
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Project, ProjectInfo, Server
from ftl.errors import UsageError
from ftl.tunnels.relay import PortTaken, relay
from ftl.tunnels.tunnels import PortChoice, Tunnel, plan_tunnels

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path


def project(**ports: tuple[int, ...]) -> Project:
    """A project with these dependencies."""
    return Project(
        project=ProjectInfo(name="shop"),
        server=Server(host="h"),
        services=(),
        dependencies=tuple(Dependency(name=name, image=name, ports=given) for name, given in ports.items()),
    )


SHOP = project(postgres=(5432,), rabbitmq=(5672, 15672))


@pytest.mark.parametrize(
    ("names", "offset", "choices", "expected"),
    [
        ((), 0, (), [("postgres", 5432, 5432), ("rabbitmq", 5672, 5672), ("rabbitmq", 15672, 15672)]),
        (("postgres",), 10000, (), [("postgres", 5432, 15432)]),
        (("postgres",), 10000, (PortChoice("postgres", 6000),), [("postgres", 5432, 6000)]),
        (
            ("rabbitmq",),
            0,
            (PortChoice("rabbitmq", 6000, 15672),),
            [("rabbitmq", 5672, 5672), ("rabbitmq", 15672, 6000)],
        ),
    ],
)
def test_local_ports(
    names: tuple[str, ...], offset: int, choices: tuple[PortChoice, ...], expected: list[tuple[str, int, int]]
) -> None:
    """The local port is the dependency's own, moved by the offset, unless one was chosen for it."""
    assert plan_tunnels(SHOP, names, offset=offset, choices=choices) == tuple(
        Tunnel(*one) for one in expected
    )


@pytest.mark.parametrize(
    ("given", "names", "offset", "choices", "words"),
    [
        (SHOP, ("postgers",), 0, (), "no dependency `postgers`"),
        (SHOP, (), 0, (PortChoice("redis", 1),), "no dependency `redis`"),
        (SHOP, (), 0, (PortChoice("rabbitmq", 1),), "has 2 ports"),
        (SHOP, (), 0, (PortChoice("postgres", 1, 2),), "has no port 2"),
        (SHOP, (), 0, (PortChoice("postgres", 5672),), "postgres and rabbitmq both want port 5672"),
        (SHOP, (), 60000, (), "65672 is not a port"),
        (project(), (), 0, (), "nothing to reach"),
        (project(app=()), (), 0, (), "nothing to reach"),
        (project(a=(5432,), b=(5432,)), (), 0, (), "a and b both want port 5432"),
    ],
)
def test_what_cannot_be_opened(
    given: Project, names: tuple[str, ...], offset: int, choices: tuple[PortChoice, ...], words: str
) -> None:
    """An unknown dependency or port, or two tunnels on one port, are refused before anything is opened."""
    with pytest.raises(UsageError, match=words):
        plan_tunnels(given, names, offset=offset, choices=choices)


def asynchronous(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run a test in an event loop."""

    @wraps(test)
    def run(**fixtures: object) -> None:
        asyncio.run(test(**fixtures))

    return run


async def _echo(path: Path) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(answer, path)


@asynchronous
async def test_a_relay_passes_everything_on_both_ways(tmp_path: Path) -> None:
    """What is sent comes back whole, however large, and the end of one side reaches the other."""
    sent = bytes(range(256)) * 20_000
    async with await _echo(tmp_path / "s"), relay(0, lambda: f"unix://{tmp_path / 's'}") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def send() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        _, received = await asyncio.gather(send(), reader.read(-1))
        writer.close()
    assert received == sent


@asynchronous
async def test_a_relay_looks_up_its_target_for_each_connection(tmp_path: Path) -> None:
    """A connection goes to the current target; without one it is closed."""
    targets = [f"unix://{tmp_path / 'nowhere'}", f"unix://{tmp_path / 's'}"]
    async with await _echo(tmp_path / "s"), relay(0, lambda: targets.pop(0)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()


@asynchronous
async def test_the_end_of_a_relay_ends_its_connections(tmp_path: Path) -> None:
    """After the block nothing listens, open connections are closed, and asyncio has nothing to complain of."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with await _echo(tmp_path / "s"):
        async with relay(0, lambda: f"unix://{tmp_path / 's'}") as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    assert complaints == []


@asynchronous
async def test_a_port_that_is_in_use() -> None:
    """The error names the port and the program that listens on it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"port {port} .* taken by .*\(pid {os.getpid()}\)"):
            async with relay(port, lambda: ""):
                pass
