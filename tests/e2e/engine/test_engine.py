"""The engine package against this machine's engine: information, errors, round trips."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.engine import EngineTestbed, run

from ftl.engine.api import Engine
from ftl.errors import EngineError, EngineUnavailable, ServerError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine


def test_an_engine_says_what_it_is_and_speaks_the_lower_api_version(testbed: EngineTestbed) -> None:
    """Version, platform and store are known, and the API version is one that both sides support."""

    async def work() -> None:
        async with testbed.engine() as engine:
            info = await engine.info()
            assert info.version[0].isdigit()
            assert info.platform.startswith("linux/")
            assert info.store in ("overlay2", "containerd")
            assert tuple(map(int, info.api.split("."))) <= (1, 51)

    run(work())


def test_nobody_at_the_socket_is_unavailable(tmp_path: Path) -> None:
    """A missing socket is EngineUnavailable with the system's message."""

    async def work() -> None:
        async with Engine(f"unix://{tmp_path}/none.sock", name="this machine") as engine:
            with pytest.raises(EngineUnavailable, match="no engine answers on this machine") as caught:
                await engine.containers()
            assert caught.value.cause == "No such file or directory"

    run(work())


def test_the_machines_own_explanation_is_raised_when_no_engine_answers(tmp_path: Path) -> None:
    """The machine's explanation replaces the error of an engine that does not answer."""

    async def explain() -> ServerError:
        return ServerError("the cable is out")

    async def work() -> None:
        async with Engine(f"unix://{tmp_path}/none.sock", name="shop", explain=explain) as engine:
            with pytest.raises(ServerError, match="the cable is out"):
                await engine.info()

    run(work())


def test_something_else_behind_the_socket_is_said_to_be_no_engine(tmp_path: Path) -> None:
    """The answer of another program is not taken for Docker's error."""
    path = tmp_path / "other.sock"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async def work() -> None:
        async with (
            await asyncio.start_unix_server(answer, path),
            Engine(f"unix://{path}", name="this machine") as engine,
        ):
            with pytest.raises(EngineError, match="did not answer as Docker's API does"):
                await engine.info()

    run(work())


class Counter:
    """A relay to the engine that counts requests and connections."""

    def __init__(self, engine_socket: str, path: Path) -> None:
        self.engine_socket = engine_socket
        self.path = path
        self.requests: list[str] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        self.connections += 1
        there_reader, there_writer = await asyncio.open_unix_connection(self.engine_socket)

        async def out() -> None:
            while data := await reader.read(65536):
                first = data.split(b"\r\n", 1)[0]
                if first.endswith(b" HTTP/1.1"):
                    self.requests.append(first.decode())
                there_writer.write(data)
            there_writer.close()

        async def back() -> None:
            while data := await there_reader.read(65536):
                writer.write(data)
            writer.close()

        await asyncio.gather(out(), back(), return_exceptions=True)


def test_observing_costs_one_request_a_list_over_kept_connections(
    testbed: EngineTestbed, tmp_path: Path
) -> None:
    """After one request for `/info`, every list is one request over kept connections."""
    counter = Counter(testbed.url.removeprefix("unix://"), tmp_path / "relay.sock")

    async def work() -> None:
        async with (
            await asyncio.start_unix_server(counter, counter.path),
            Engine(f"unix://{counter.path}", name="this machine") as engine,
        ):
            calls = (engine.info, engine.containers, engine.images, engine.networks, engine.volumes)
            await asyncio.gather(*(call() for call in calls))
            assert len(counter.requests) == 5
            opened = counter.connections
            await asyncio.gather(*(call() for call in calls))
            assert len(counter.requests) == 9
            assert counter.connections == opened

    run(work())
