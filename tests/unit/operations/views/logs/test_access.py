"""Requests of a project as lines, and as they come."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from ftl.engine.specs import ContainerSpec
from ftl.engine.values import ExecResult
from ftl.errors import EngineError, FtlError
from ftl.host.session import Session
from ftl.operations.views.logs.access import Access, AccessFollower, line_of, read_access
from ftl.operations.views.logs.query import LogEntry, LogQuery
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO
from tests.unit.operations.stage import PROJECT

ENTRY = Access(1767323045.25, "web", "203.0.113.9", "GET", "shop.example.com", "/cart", 200, 0.0124, 5120)


class Log:
    """The proxy's access log on a fake engine."""

    def __init__(self, *entries: Access) -> None:
        self.entries = list(entries)
        self.engine = FakeEngine()
        self.engine.on_execute = lambda _name, argv: self._answer(int(argv[-1]))

    @property
    def session(self) -> Session:
        return Session("shop.example.com", FakeMachine(), self.engine, INFO)

    async def start(self) -> None:
        """Run the proxy."""
        self.engine.add_image("caddy:2")
        await self.engine.create("ftl-proxy", ContainerSpec(image="caddy:2", labels={}))
        await self.engine.start("ftl-proxy")

    def _answer(self, lines: int) -> ExecResult:
        text = "".join(f"{_json(entry)}\n" for entry in self.entries[-lines:])
        return ExecResult(0, text.encode(), b"")


def _json(entry: Access) -> str:
    request = {
        "remote_ip": entry.client,
        "method": entry.method,
        "host": entry.host,
        "uri": entry.path,
    }
    return json.dumps(
        {
            "ts": entry.time,
            "ftl": f"{PROJECT}/{entry.service}",
            "request": request,
            "status": entry.status,
            "duration": entry.seconds,
            "size": entry.size,
        }
    )


def shown(log: Log, **options: object) -> list[str]:
    """Paths of the requests that are shown."""

    async def work() -> list[LogEntry]:
        await log.start()
        lines: list[LogEntry] = []
        query = LogQuery(PROJECT, ("web",), **options)  # type: ignore[arg-type]
        await read_access(log.session, query, lines.append)
        return lines

    return [line.text.split()[2].removeprefix("shop.example.com") for line in run(work())]


def test_a_request_as_a_line() -> None:
    """Client, method, address, status, duration, size; its time is the end of the request."""
    line = line_of(ENTRY)
    assert line.text == "203.0.113.9 GET shop.example.com/cart 200 12 ms 5.1 kB"
    assert (line.service, line.time) == ("web", "2026-01-02T03:04:05.250000000Z")
    assert "client left 3.0 s 0 B" in line_of(replace(ENTRY, status=0, seconds=3, size=0)).text


def test_only_requests_of_the_projects_services() -> None:
    """By time; another service's are left out, and what is no entry."""
    log = Log(
        replace(ENTRY, path="/b", time=2.0),
        replace(ENTRY, path="/a", time=1.0),
        replace(ENTRY, service="api"),
        replace(ENTRY, service=""),
    )
    assert shown(log) == ["/a", "/b"]


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({"tail": 1}, ["/3"]),
        ({"since": "1970-01-01T00:00:02.000000000Z"}, ["/2", "/3"]),
        ({"until": "1970-01-01T00:00:02.000000000Z"}, ["/1", "/2"]),
        ({"matches": lambda text: "/2" in text}, ["/2"]),
    ],
)
def test_requests_are_chosen_as_lines_are(options: dict[str, object], paths: list[str]) -> None:
    """By number, time and text."""
    log = Log(*(replace(ENTRY, path=f"/{number}", time=float(number)) for number in (1, 2, 3)))
    assert shown(log, **options) == paths


def test_following_shows_each_request_once() -> None:
    """Also those of the moment of the last one that was shown."""

    async def work() -> list[LogEntry]:
        log = Log(replace(ENTRY, path="/1", time=1.0))
        await log.start()
        lines: list[LogEntry] = []
        follower = AccessFollower(LogQuery(PROJECT, ("web",)), lines.append, lambda _: None)
        task = asyncio.ensure_future(follower.follow(log.session))
        await asyncio.sleep(1.5)
        log.entries.append(replace(ENTRY, path="/2", time=1.0))
        await asyncio.sleep(1)
        log.entries.append(replace(ENTRY, path="/3", time=2.0))
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.wait({task})
        return lines

    assert [line.text.split()[2][-2:] for line in run(work())] == ["/1", "/2", "/3"]


def test_without_a_proxy() -> None:
    """There is nothing to read."""
    log = Log()

    async def work() -> None:
        log.engine.fail("execute", EngineError("no", status=404))
        await read_access(log.session, LogQuery(PROJECT, ("web",)), lambda _: None)

    with pytest.raises(FtlError, match="no proxy runs on"):
        run(work())
