"""Sessions that look at the engine before the server has said which it is."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

import ftl.engine.api  # noqa: F401 -- no thread loads it while the clock of these tests runs
from ftl.dataclass import dataclass
from ftl.errors import EngineError, FtlError, ServerError
from ftl.host.session import Prefetch, open_session
from ftl.ssh.multiplexing import early
from tests.support.clock import run
from tests.support.engine_socket import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from ftl.engine.api import Engine
    from ftl.engine.values import Network
    from ftl.ssh.machine import Machine

BRIEF = "/v1.41/info"
HEAD = b"HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\n"
INFO = HEAD + b'Content-Length: 24\r\n\r\n{"ServerVersion":"27.0"}'
EMPTY = HEAD + b"Content-Length: 2\r\n\r\n[]"
TOO_OLD = b"HTTP/1.1 400 Bad Request\r\nApi-Version: 1.52\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 500 Oops\r\nApi-Version: 1.47\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder in which nothing is known of any engine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@dataclass(slots=True)
class Far:
    """A machine that reports its engine only when `reports` is set."""

    likely: str | None
    own: str
    error: ServerError | None = None
    name: str = "far"
    is_kept: bool = False
    kept_folder: Path | None = None
    reports: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        await self.reports.wait()
        if self.error is not None:
            raise self.error
        return self

    async def __aexit__(self, *error: object) -> None: ...

    async def likely_engine_url(self) -> str | None:
        return self.likely

    def trust_usual(self) -> bool:
        return self.is_kept

    async def engine_url(self) -> str:
        return self.own

    async def explain(self) -> None: ...

    async def close(self) -> None: ...


async def networks(engine: Engine) -> list[Network]:
    """A look."""
    return await engine.networks()


async def look(far: Far, ahead: Prefetch[list[Network]]) -> tuple[str, list[Network]]:
    """Open a session and take the result: the engine's version, and what was seen."""
    async with open_session(cast("Machine", far), ahead=ahead) as session:
        return session.info.version, await ahead.result(session.engine)


def test_the_look_does_not_wait_for_the_servers_report() -> None:
    """Info and the first look are asked for while the server still reports; both count once it names that engine."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({"/info": INFO, "/networks": EMPTY})
            far = Far(url, url)
            opening = asyncio.create_task(look(far, Prefetch(networks)))
            async with asyncio.timeout(5):
                while sorted(server.requests) != ["/info", "/networks"]:
                    await asyncio.sleep(0.005)
            assert not opening.done()
            far.reports.set()
            assert await opening == ("27.0", [])
            assert len(server.requests) == 2

    run(work())


def test_modules_of_a_look_are_imported_while_ssh_connects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take as long as a round trip, and are not needed before."""
    module = "looked_with_this"
    (tmp_path / f"{module}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    class Connecting(Far):
        async def likely_engine_url(self) -> str | None:
            while module not in sys.modules:
                await asyncio.sleep(0.01)
            return self.likely

    async def work() -> None:
        async with served() as (server, url), asyncio.timeout(30):
            server.answer_by_path({"/info": INFO, "/networks": EMPTY})
            far = Connecting(url, url)
            far.reports.set()
            assert await look(far, Prefetch(networks, [module])) == ("27.0", [])

    asyncio.run(work())
    del sys.modules[module]


def test_a_look_at_another_engine_does_not_count() -> None:
    """Where the server names another socket, its engine is looked at."""

    async def work() -> None:
        async with served() as (usual, usual_url), served() as (own, own_url):
            usual.answer_by_path({"/info": INFO, "/networks": EMPTY})
            own.answer_by_path({"/info": INFO.replace(b"27.0", b"28.0"), "/networks": EMPTY})
            far = Far(usual_url, own_url)
            far.reports.set()
            assert await look(far, Prefetch(networks)) == ("28.0", [])
            assert own.requests == ["/info", "/networks"]

    run(work())


def test_a_look_that_failed_is_repeated() -> None:
    """The error that is raised comes from a look after the server has reported, when more can be explained."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({"/info": INFO, "/networks": REFUSED})
            far = Far(url, url)
            far.reports.set()
            with pytest.raises(EngineError, match="list its networks"):
                await look(far, Prefetch(networks))
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
                await look(far, Prefetch(networks))

    run(work())


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> Callable[[str], None]:
    """Makes this a command that was run before, over a kept connection whose forward is at a URL."""
    monkeypatch.setattr(early, "_sent_early", early._SentEarly())
    runtime = short_path / "ftl"
    runtime.mkdir(mode=0o700)

    def begin(url: str) -> None:
        shared = runtime / "0123456789ab.1"
        shared.mkdir(exist_ok=True)
        forward = shared / early.USUAL
        forward.unlink(missing_ok=True)
        forward.symlink_to(url.removeprefix("unix://"))
        early.begin(["look"], {"XDG_RUNTIME_DIR": str(short_path)})

    return begin


def kept_at(url: str, folder: Path) -> Far:
    """The machine at the far end of that connection."""
    forward = f"unix://{folder}/ftl/0123456789ab.1/{early.USUAL}"
    return Far(forward, forward, is_kept=True, kept_folder=folder / "ftl" / "0123456789ab.1")


def test_a_command_that_ran_before_asks_as_it_begins_and_needs_no_report(
    again: Callable[[str], None], short_path: Path
) -> None:
    """What the first one noted is asked once, before the session; the server is not asked which engine it has."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({"/info": INFO, "/networks": EMPTY})
            again(url)
            first = kept_at(url, short_path)
            first.reports.set()
            assert await look(first, Prefetch(networks)) == ("27.0", [])
            again(url)
            async with asyncio.timeout(5):
                while len(server.requests) < 4:
                    await asyncio.sleep(0.005)
            assert await look(kept_at(url, short_path), Prefetch(networks)) == ("27.0", [])
            assert sorted(server.requests) == ["/info", "/info", "/networks", "/networks"]

    run(work())


def test_an_engine_that_does_not_answer_early_is_asked_for(
    again: Callable[[str], None], short_path: Path
) -> None:
    """The server then says which engine it has, as for any command."""

    async def work() -> None:
        async with served() as (server, url), served(b"...", b"...") as (_, silent):
            server.answer_by_path({"/info": INFO, "/networks": EMPTY})
            again(url)
            first = kept_at(url, short_path)
            first.reports.set()
            await look(first, Prefetch(networks))
            again(silent)
            second = kept_at(url, short_path)
            second.own = url
            second.reports.set()
            assert await look(second, Prefetch(networks)) == ("27.0", [])

    run(work())


def test_an_engine_that_refuses_to_be_brief_is_asked_so_once() -> None:
    """Docker 29 knows no version as old as that: it is asked again, and the next session knows."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({BRIEF: TOO_OLD, "/info": INFO})
            for _ in range(2):
                far = Far(url, url)
                far.reports.set()
                async with open_session(cast("Machine", far)) as session:
                    assert session.info.version == "27.0"
            assert server.requests == [BRIEF, "/info", "/info"]

    run(work())


def test_an_engine_that_fails_is_not_asked_otherwise() -> None:
    """Only a refusal of the version is one: other errors are the engine's, and the server explains them."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({BRIEF: REFUSED, "/info": INFO})
            far = Far(url, url)
            far.reports.set()
            with pytest.raises(FtlError):
                async with open_session(cast("Machine", far)):
                    pass
            assert "/info" not in server.requests

    run(work())
