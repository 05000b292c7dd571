"""Following of hooks: those that run as they print, others with their release's record."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.errors import EngineUnavailable
from ftl.host.session import Session
from ftl.operations.views.logs.following import keep_connected
from ftl.operations.views.logs.hooks import HookFollower
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.releases import store
from ftl.releases.record import KeptLine, ReleaseRecord
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO
from tests.unit.operations.stage import PROJECT, add, log, session_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def kept(second: int, text: str, release: str = "r2", when: str = "pre") -> KeptLine:
    """A line of a hook as a record keeps it."""
    time = f"2026-01-02T03:04:{second:02}.000000000Z"
    return KeptLine("web", f"web-{release}-{when}", "stdout", time, text, when)


async def stored(*records: ReleaseRecord) -> FakeEngine:
    """A server with these records."""
    engine = FakeEngine(images=["app"])
    await store.ensure_store(engine, "app")
    for record in records:
        await store.write_record(engine, PROJECT, record)
    return engine


async def hook(engine: FakeEngine, name: str, release: str, service: str = "web") -> None:
    """A hook that runs."""
    more = {labels.RELEASE: release}
    await add(engine, f"{PROJECT}-{name}", service, role=labels.ROLE_HOOK, more=more)


@asynccontextmanager
async def following(engine: FakeEngine, **options: object) -> AsyncIterator[Callable[[], str]]:
    """Follow until the end of the block; the texts shown so far."""
    entries: list[LogEntry] = []
    query = LogQuery(PROJECT, ("web",), **options)  # type: ignore[arg-type]
    warnings: list[str] = []
    task = asyncio.ensure_future(
        HookFollower(query, entries.append, warnings.append).follow(session_of(engine))
    )
    await asyncio.sleep(0.5)
    yield lambda: " ".join(entry.text for entry in entries)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    assert warnings == []


def test_a_hook_that_runs_is_shown_as_it_prints_and_not_again_with_the_record() -> None:
    """After the past, also of the next deploy; a hook of another service is not asked for."""

    async def work() -> None:
        engine = await stored(ReleaseRecord("r1", "live", 1.0, logs=(kept(1, "a", "r1"), kept(2, "b", "r1"))))
        async with following(engine, tail=1) as shown:
            assert shown() == "b"
            for release, second, text in (("r2", 10, "c"), ("r3", 20, "d")):
                await hook(engine, f"web-{release}-pre", release)
                await hook(engine, f"api-{release}-pre", release, "api")
                log(engine, f"{PROJECT}-api-{release}-pre", second, "other")
                log(engine, f"{PROJECT}-web-{release}-pre", second, text)
                await asyncio.sleep(3)
                assert shown().endswith(text)
                log(engine, f"{PROJECT}-web-{release}-pre", second + 1, f"{text}2")
                await asyncio.sleep(1)
                assert shown().endswith(f"{text}2")
                await engine.remove(f"{PROJECT}-web-{release}-pre", force=True)
                lines = (kept(second, text, release), kept(second + 1, f"{text}2", release))
                await store.write_record(engine, PROJECT, ReleaseRecord(release, "live", 1.0, logs=lines))
                await asyncio.sleep(10)
            assert shown() == "b c c2 d d2"

    run(work())


def test_lines_of_a_hook_that_runs_still_do_not_come_from_the_record() -> None:
    """Its log is behind: the record of a release that failed may have more of it already."""

    async def work() -> None:
        engine = await stored()
        async with following(engine) as shown:
            await hook(engine, "web-r2-pre", "r2")
            log(engine, f"{PROJECT}-web-r2-pre", 1, "a")
            await asyncio.sleep(3)
            lines = (kept(1, "a"), kept(2, "b"))
            await store.write_record(engine, PROJECT, ReleaseRecord("r2", "failed", 1.0, logs=lines))
            await asyncio.sleep(7)
            assert shown() == "a"
            log(engine, f"{PROJECT}-web-r2-pre", 2, "b")
            await asyncio.sleep(7)
            assert shown() == "a b"

    run(work())


def test_what_has_no_container_comes_with_the_record_and_what_is_added_to_it_later() -> None:
    """A local hook, and a post hook, whose lines come once the release is live; two equal lines are two."""

    async def work() -> None:
        engine = await stored()
        async with following(engine) as shown:
            assert shown() == ""
            lines = (kept(1, "a"), kept(1, "a"))
            await store.write_record(engine, PROJECT, ReleaseRecord("r2", "live", 1.0, logs=lines))
            await asyncio.sleep(6)
            assert shown() == "a a"
            later = (*lines, kept(3, "z", when="post"))
            await store.write_record(engine, PROJECT, ReleaseRecord("r2", "live", 1.0, logs=later))
            await asyncio.sleep(12)
            assert shown() == "a a z"

    run(work())


def test_only_lines_that_match_are_shown_of_the_past_and_of_what_comes() -> None:
    """As of other logs."""

    async def work() -> None:
        engine = await stored(
            ReleaseRecord("r1", "live", 1.0, logs=(kept(1, "xa", "r1"), kept(2, "b", "r1")))
        )
        async with following(engine, matches=lambda text: "x" in text) as shown:
            await hook(engine, "web-r2-pre", "r2")
            for second, text in enumerate(("c", "xd"), 10):
                log(engine, f"{PROJECT}-web-r2-pre", second, text)
            await asyncio.sleep(3)
            assert shown() == "xa xd"

    run(work())


def test_following_goes_on_after_a_lost_connection() -> None:
    """A hook that still runs goes on where it was; of one that ended meanwhile the record has the rest."""

    async def work() -> None:
        engine = await stored()
        entries: list[LogEntry] = []
        follower = HookFollower(LogQuery(PROJECT, ("web",)), entries.append, lambda _: None)
        connections = 0

        @asynccontextmanager
        async def connect() -> AsyncIterator[Session]:
            nonlocal connections
            connections += 1
            yield Session("server", FakeMachine(), engine, INFO)

        await hook(engine, "web-r2-pre", "r2")
        log(engine, f"{PROJECT}-web-r2-pre", 1, "a")
        task = asyncio.ensure_future(keep_connected(connect, follower, lambda _: None))
        await asyncio.sleep(2)
        polled = sum(call.split()[0] == "containers" for call in engine.reads)
        engine.fail("containers", EngineUnavailable("the connection was lost"), number=polled + 1)
        await asyncio.sleep(1.1)
        log(engine, f"{PROJECT}-web-r2-pre", 2, "b")
        await engine.remove(f"{PROJECT}-web-r2-pre", force=True)
        lines = (kept(1, "a"), kept(2, "b"), kept(3, "c"))
        await store.write_record(engine, PROJECT, ReleaseRecord("r2", "failed", 1.0, logs=lines))
        await asyncio.sleep(10)
        assert (connections, [entry.text for entry in entries]) == (2, ["a", "b", "c"])
        task.cancel()
        await asyncio.wait({task})

    run(work())


def test_older_lines_of_a_hook_that_runs_already_are_not_shown_with_since() -> None:
    """As of other logs: what it printed before that moment is passed over."""

    async def work() -> None:
        engine = await stored()
        await hook(engine, "web-r2-pre", "r2")
        for second, text in ((1, "old"), (20, "new")):
            log(engine, f"{PROJECT}-web-r2-pre", second, text)
        async with following(engine, since="2026-01-02T03:04:10Z") as shown:
            await asyncio.sleep(3)
            assert shown() == "new"

    run(work())
