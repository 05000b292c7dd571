"""Sessions that look at the engine before the server has said which it is."""

from __future__ import annotations

import asyncio
from dataclasses import field
from typing import TYPE_CHECKING, cast

import pytest

from ftl.dataclass import dataclass
from ftl.errors import EngineError, ServerError
from ftl.host.session import Ahead, open_session
from tests.support.clock import run
from tests.support.engine_socket import served

if TYPE_CHECKING:
    from typing import Self

    from ftl.engine.api import Engine
    from ftl.engine.values import Network
    from ftl.ssh.machine import Machine

HEAD = b"HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\n"
INFO = HEAD + b'Content-Length: 24\r\n\r\n{"ServerVersion":"27.0"}'
EMPTY = HEAD + b"Content-Length: 2\r\n\r\n[]"
REFUSED = b"HTTP/1.1 500 Oops\r\nApi-Version: 1.47\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(slots=True)
class Far:
    """A machine that reports its engine only when `reports` is set."""

    likely: str | None
    own: str
    error: ServerError | None = None
    name: str = "far"
    reports: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        await self.reports.wait()
        if self.error is not None:
            raise self.error
        return self

    async def __aexit__(self, *error: object) -> None: ...

    async def likely_engine_url(self) -> str | None:
        return self.likely

    async def engine_url(self) -> str:
        return self.own

    async def explain(self) -> None: ...

    async def close(self) -> None: ...


async def networks(engine: Engine) -> list[Network]:
    """A look."""
    return await engine.networks()


async def look(far: Far, ahead: Ahead[list[Network]]) -> tuple[str, list[Network]]:
    """Open a session and take the result: the engine's version, and what was seen."""
    async with open_session(cast("Machine", far), ahead=ahead) as session:
        return session.info.version, await ahead.result(session.engine)


def test_the_look_does_not_wait_for_the_servers_report() -> None:
    """Info and the first look are asked for while the server still reports; both count once it names that engine."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({"/info": INFO, "/networks": EMPTY})
            far = Far(url, url)
            opening = asyncio.create_task(look(far, Ahead(networks)))
            async with asyncio.timeout(5):
                while sorted(server.requests) != ["/info", "/networks"]:
                    await asyncio.sleep(0.005)
            assert not opening.done()
            far.reports.set()
            assert await opening == ("27.0", [])
            assert len(server.requests) == 2

    run(work())


def test_a_look_at_another_engine_does_not_count() -> None:
    """Where the server names another socket, its engine is looked at."""

    async def work() -> None:
        async with served() as (usual, usual_url), served() as (own, own_url):
            usual.answer_by_path({"/info": INFO, "/networks": EMPTY})
            own.answer_by_path({"/info": INFO.replace(b"27.0", b"28.0"), "/v1.47/networks": EMPTY})
            far = Far(usual_url, own_url)
            far.reports.set()
            assert await look(far, Ahead(networks)) == ("28.0", [])
            assert own.requests == ["/info", "/v1.47/networks"]

    run(work())


def test_a_look_that_failed_is_repeated() -> None:
    """The error that is raised comes from a look after the server has reported, when more can be explained."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({"/info": INFO, "/networks": REFUSED, "/v1.47/networks": REFUSED})
            far = Far(url, url)
            far.reports.set()
            with pytest.raises(EngineError, match="list its networks"):
                await look(far, Ahead(networks))
            assert sum(request.endswith("/networks") for request in server.requests) == 2

    run(work())


def test_a_refusal_ends_the_look() -> None:
    """Where the server refuses us, its error is raised, whatever the look has found."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({"/info": INFO, "/networks": EMPTY})
            far = Far(url, url, ServerError("no"))
            far.reports.set()
            with pytest.raises(ServerError, match=r"^no$"):
                await look(far, Ahead(networks))

    run(work())
