"""Following the logs of one release, which end with its last container."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.host.session import Session
from ftl.operations.views.logs.cluster import follow_servers
from ftl.operations.views.logs.kinds import LogAccess, LogReading, Shown, show_logs
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.operations.views.logs.reading import LogServer, has_logs
from ftl.releases.record import KeptLine, ReleaseRecord
from ftl.releases.store import ensure_store, write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.operations.stage import PROJECT, add, log
from tests.unit.operations.views.logs.stage import shop, texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENDED = "no container of web in {} is left: the log ends here"


async def with_records() -> FakeEngine:
    """The shop: r1 is live, the last lines of r2, which failed, are kept, and nothing of r3 is."""
    engine = await shop()
    await ensure_store(engine, "shop-web:r1")
    line = KeptLine("web", "web-r2", "stderr", "2026-01-02T03:04:05.000000000Z", "no database")
    failed = ReleaseRecord("r2", "failed", 0.0, logs=(line,))
    for record in (ReleaseRecord("r1", "live", 0.0), failed, ReleaseRecord("r3", "replaced", 0.0)):
        await write_record(engine, PROJECT, record)
    return engine


class Followed:
    """What following a release of an only server has shown and noted."""

    def __init__(self, engine: FakeEngine, release: str, **options: Any) -> None:
        self.engine = engine
        self.entries: list[LogEntry] = []
        self.notes: list[str] = []
        self._query = LogQuery(PROJECT, ("web",), release=release, **options)

    async def follow(self) -> None:
        """Follow it to its end."""

        @asynccontextmanager
        async def connect(host: str = "", ahead: object = None) -> AsyncIterator[Session]:
            yield Session("server", FakeMachine(), self.engine, INFO)

        async def mask() -> None:
            raise AssertionError("the server has the records")

        def emit(event: object) -> None:
            assert isinstance(event, Note)
            self.notes.append(event.text)

        reading = LogReading(self._query, Shown(self.entries.append), self.notes.append, emit)
        access = LogAccess(connect, list, (), mask, narrowed=False)
        await show_logs("logs", access, reading, follow=True)


@pytest.mark.parametrize(
    ("release", "kind", "error"),
    [
        ("r99", UsageError, "there is no release `r99`"),
        ("r3", FtlError, "no container of web in r3 is left"),
    ],
)
def test_a_release_without_a_container_is_refused(release: str, kind: type[FtlError], error: str) -> None:
    """In the words of who does not follow: its containers may run, of another release."""

    async def work() -> None:
        await asyncio.wait_for(Followed(await with_records(), release).follow(), 20)

    with pytest.raises(kind, match=error):
        run(work())


@pytest.mark.parametrize(("tail", "shown"), [(None, "no database"), (0, "")])
def test_the_kept_lines_of_a_failed_release_are_shown_and_all(tail: int | None, shown: str) -> None:
    """No more of them can come."""

    async def work() -> Followed:
        followed = Followed(await with_records(), "r2", tail=tail)
        await asyncio.wait_for(followed.follow(), 20)
        return followed

    followed = run(work())
    assert texts(followed.entries) == shown
    assert followed.notes == [ENDED.format("r2")]


def test_following_a_release_ends_with_its_last_container() -> None:
    """Its last lines are shown; a newer release has no part in it."""

    async def work() -> Followed:
        engine = await with_records()
        followed = Followed(engine, "r1")
        task = asyncio.create_task(followed.follow())
        await add(engine, "shop-web-r4", "web", release="r4")
        for name in ("shop-web-r1-1", "shop-web-r1-2"):
            await asyncio.sleep(5)
            assert not task.done()
            log(engine, "shop-web-r4", 9, "z")
            log(engine, name, 8, name[-1])
            await engine.stop(name, timeout=1)
            await engine.remove(name)
        await asyncio.wait_for(task, 20)
        return followed

    followed = run(work())
    assert texts(followed.entries) == "abde12"
    assert followed.notes == [ENDED.format("r1")]


def test_on_several_servers_it_ends_once_none_has_a_container() -> None:
    """One that has none yet may get one, and one that does not answer has none."""
    first, second = run(with_records()), FakeEngine()
    servers = [LogServer(first, "a"), LogServer(second, "b"), LogServer(FakeEngine(), "c")]
    entries: list[LogEntry] = []
    query = LogQuery(PROJECT, ("web",), release="r1")
    events: list[object] = []

    @asynccontextmanager
    async def connect(host: str) -> AsyncIterator[Session]:
        if host == "c":
            raise FtlError("no answer")
        engine = first if host == "a" else second
        yield Session(host, FakeMachine(), engine, await engine.info())

    async def work() -> None:
        following = asyncio.create_task(
            follow_servers(servers, connect, query, entries.append, print, events.append, requests=False)
        )
        await asyncio.sleep(5)
        await add(second, "shop-web-r1-3", "web")
        log(second, "shop-web-r1-3", 9, "moved")
        for engine, name in ((first, "shop-web-r1-1"), (first, "shop-web-r1-2"), (second, "shop-web-r1-3")):
            await asyncio.sleep(5)
            assert not following.done()
            await engine.stop(name, timeout=1)
            await engine.remove(name)
        await asyncio.wait_for(following, 20)

    run(work())
    assert [(entry.server, entry.text) for entry in entries] == [
        *(("a", text) for text in "abde"),
        ("b", "moved"),
    ]
    assert events == [Note("no logs from c: no answer", "warning")]


def test_whether_one_of_several_servers_has_a_log() -> None:
    """Else what the records have is shown, and nothing is followed."""
    servers = [LogServer(FakeEngine(), "a"), LogServer(run(with_records()), "b")]
    assert run(has_logs(servers, LogQuery(PROJECT, ("web",), release="r1")))
    assert not run(has_logs(servers, LogQuery(PROJECT, ("web",), release="r2")))
