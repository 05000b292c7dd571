"""Following of logs without losing or repeating a line."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ftl.engine import labels
from ftl.engine.values import LogLine
from ftl.errors import EngineError, EngineUnavailable, ServerError
from ftl.host.session import Session
from ftl.operations.views.logs.cluster import follow_servers
from ftl.operations.views.logs.following import Follower, keep_connected
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.operations.views.logs.reading import LogServer
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.operations.stage import PROJECT, add, log, session_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
from tests.unit.operations.views.logs.stage import NAMES, WARNINGS, following, shop, texts


@pytest.fixture(autouse=True)
def no_warnings() -> None:
    """Each test begins without."""
    WARNINGS.clear()


def test_a_log_that_cannot_be_read_does_not_end_following() -> None:
    """It is named once."""

    async def work() -> None:
        engine = await shop()
        for number in (2, 5):
            engine.fail("logs", EngineError("no", status=501, cause="no reading"), number=number)
        async with following(engine) as entries:
            await asyncio.sleep(3)
            log(engine, "shop-db", 7, "g")
        assert texts(entries).endswith("g")

    run(work())
    assert WARNINGS
    assert len(WARNINGS) <= 2


def test_following_shows_lines_that_match_of_the_past_and_of_what_comes() -> None:
    """The tail is of those that match."""

    async def work() -> None:
        engine = await shop()
        async with following(engine, matches=re.compile("[acx]").search, tail=1) as entries:
            for text in "xyx":
                log(engine, "shop-db", 9, text)
        assert texts(entries) == "cxx"

    run(work())


def test_following_goes_on_after_a_lost_connection() -> None:
    """Without a gap or a repeated line; what ended meanwhile is shown to its end, and what started from its first."""

    async def work() -> list[LogEntry]:
        engine = await shop()
        entries: list[LogEntry] = []
        follower = Follower(LogQuery(PROJECT, NAMES), entries.append, WARNINGS.append)
        connections = 0

        @asynccontextmanager
        async def connect() -> AsyncIterator[Session]:
            nonlocal connections
            connections += 1
            if connections == 2:
                raise ServerError("no answer")
            info = await engine.info()
            yield Session("shop.example.com", FakeMachine(), engine, info)

        task = asyncio.ensure_future(keep_connected(connect, follower, lambda _: None))
        await asyncio.sleep(0.5)
        log(engine, "shop-db", 7, "g")
        await asyncio.sleep(0.1)
        engine.fail("containers", EngineUnavailable("lost"), number=4)
        await asyncio.sleep(1.5)
        log(engine, "shop-web-r1-1", 8, "h")
        await engine.stop("shop-web-r1-1", timeout=1)
        await add(engine, "shop-web-r2", "web", release="r2")
        log(engine, "shop-web-r2", 9, "i")
        await asyncio.sleep(8)
        task.cancel()
        await asyncio.wait({task})
        assert connections >= 3
        return entries

    assert sorted(texts(run(work()))) == list("abcdefghi")


def test_following_goes_on_where_the_past_ends() -> None:
    """Each line once: those of the past in order, then each as it comes, of the stream that it came on."""

    async def work() -> None:
        engine = await shop()
        async with following(engine) as entries:
            assert texts(entries) == "abcdef"
            log(engine, "shop-db", 7, "g", "stderr")
            await asyncio.sleep(0.1)
            assert texts(entries) == "abcdefg"
            assert entries[-1].stream == "stderr"
            log(engine, "shop-web-r1-2", 8, "h")
        assert texts(entries) == "abcdefgh"

    run(work())


def test_following_repeats_no_line_of_the_last_moment() -> None:
    """The engine gives lines from the moment on that it is asked for, that moment's own included."""

    async def work() -> None:
        engine = FakeEngine()
        await add(engine, "shop-db", "db", role=labels.ROLE_DEPENDENCY)
        for text in "abc":
            log(engine, "shop-db", 1, text)
        async with following(engine, ("db",)) as entries:
            log(engine, "shop-db", 1, "d")
            log(engine, "shop-db", 2, "e")
        assert texts(entries) == "abcde"

    run(work())


def test_a_block_that_the_engine_repeats_is_shown_once() -> None:
    """As 20.10 does where it goes over from a file's content to what is appended; equal lines are not a repeat."""

    async def work() -> None:
        engine = FakeEngine()
        await add(engine, "shop-db", "db", role=labels.ROLE_DEPENDENCY)
        async with following(engine, ("db",)) as entries:
            for second, text in (
                (1, "a"),
                (2, "b"),
                (2, "b"),
                (3, "c"),
                (2, "b"),
                (2, "b"),
                (3, "c"),
                (4, "d"),
            ):
                log(engine, "shop-db", second, text)
        assert texts(entries) == "abbcd"

    run(work())


def test_a_whole_file_that_the_engine_repeats_is_shown_once() -> None:
    """Also where it is many thousand lines, and without a look at all that was shown for each of them."""

    async def work() -> None:
        engine = FakeEngine()
        await add(engine, "shop-db", "db", role=labels.ROLE_DEPENDENCY)
        block = [(number // 1000, str(number)) for number in range(20_000)]
        async with following(engine, ("db",)) as entries:
            for second, text in (*block, *block, (20, "end")):
                log(engine, "shop-db", second, text)
        assert [entry.text for entry in entries] == [*(text for _, text in block), "end"]

    began = time.process_time()
    run(work())
    assert time.process_time() - began < 20


@pytest.mark.parametrize(("tail", "shown"), [(0, "xyz"), (1, "fxyz"), (2, "efxyz"), (3, "defxyz")])
def test_following_begins_with_the_tail_of_the_past(tail: int, shown: str) -> None:
    """Lines of the past that were left out do not come later, of no container."""

    async def work() -> None:
        engine = await shop()
        async with following(engine, tail=tail) as entries:
            for second, name in enumerate(("shop-web-r1-1", "shop-web-r1-2", "shop-db"), 10):
                log(engine, name, second, "xyz"[second - 10])
                await asyncio.sleep(0.1)
        assert texts(entries) == shown

    run(work())


def test_a_line_that_comes_between_the_past_and_following_is_shown() -> None:
    """Also of a container of which nothing was shown, and older than the newest line that was."""

    async def work() -> None:
        engine = await shop()
        gate = engine.block("containers", number=3)
        async with following(engine, tail=2) as entries:
            assert texts(entries) == "ef"
            engine.by_name["shop-web-r1-1"].log.append(
                LogLine("stdout", "2026-01-02T03:04:05.500000000Z", "x")
            )
            gate.open.set()
        assert texts(entries) == "efx"

    run(work())


def test_containers_of_a_new_release_join_from_their_first_line() -> None:
    """The old ones end meanwhile, and that ends nothing."""

    async def work() -> None:
        engine = await shop()
        async with following(engine, tail=0) as entries:
            await add(engine, "shop-web-r2", "web", release="r2")
            log(engine, "shop-web-r2", 20, "first")
            await asyncio.sleep(2)
            await engine.stop("shop-web-r1-1", timeout=1)
            await engine.remove("shop-web-r1-1")
            log(engine, "shop-web-r2", 21, "second")
        assert [(entry.name, entry.text) for entry in entries] == [("web-r2", "first"), ("web-r2", "second")]

    run(work())


def test_a_container_that_starts_again_goes_on_without_a_repeated_line() -> None:
    """Its log is one, over all its starts."""

    async def work() -> None:
        engine = await shop()
        async with following(engine, ("db",)) as entries:
            log(engine, "shop-db", 7, "g")
            await asyncio.sleep(0.1)
            await engine.stop("shop-db", timeout=1)
            await asyncio.sleep(3)
            await engine.start("shop-db")
            log(engine, "shop-db", 8, "h")
        assert texts(entries) == "cfgh"

    run(work())


def test_a_container_that_ended_before_is_shown_once() -> None:
    """It is listed at each look, and has nothing new."""

    async def work() -> None:
        engine = await shop()
        await engine.stop("shop-db", timeout=1)
        async with following(engine, ("db",)) as entries:
            await asyncio.sleep(5)
        assert texts(entries) == "cf"
        assert engine.reads.count(f"logs {engine.by_name['shop-db'].id}") == 1

    run(work())


def test_a_lost_engine_ends_following() -> None:
    """The error is raised as it is."""

    async def work() -> None:
        engine = await shop()
        engine.fail("containers", EngineError("connection lost", status=500), number=4)
        with pytest.raises(EngineError, match="connection lost"):
            await Follower(LogQuery(PROJECT, NAMES), lambda _: None, WARNINGS.append).follow(
                session_of(engine)
            )

    run(work())


def test_a_server_without_such_a_container_does_not_end_following() -> None:
    """Others have it; what a deploy starts there later joins."""
    first, second = run(shop()), FakeEngine()
    entries: list[LogEntry] = []

    @asynccontextmanager
    async def connect(host: str) -> AsyncIterator[Session]:
        engine = first if host == "a" else second
        yield Session(host, FakeMachine(), engine, await engine.info())

    async def work() -> None:
        following = asyncio.create_task(
            follow_servers(
                [LogServer(first, "a"), LogServer(second, "b")],
                connect,
                LogQuery(PROJECT, NAMES, tail=2),
                entries.append,
                WARNINGS.append,
                lambda _: None,
                requests=False,
            )
        )
        await asyncio.sleep(5)
        await add(second, "shop-web-r2-1", "web", release="r2")
        log(second, "shop-web-r2-1", 9, "new")
        await asyncio.sleep(5)
        following.cancel()
        await asyncio.wait([following])

    run(work())
    assert [(entry.server, entry.text) for entry in entries] == [("a", "e"), ("a", "f"), ("b", "new")]
    assert WARNINGS == []


class PassingOver(FakeEngine):
    """An engine that goes from the end of a file of a log to the newest one, for those who follow it."""

    async def logs(self, container: str, *, follow: bool = False, **options: Any) -> AsyncGenerator[LogLine]:
        async for line in super().logs(container, follow=follow, **options):
            if not (follow and line.text.startswith("lost")):
                yield line


def test_a_file_of_a_log_that_the_engine_passes_over_is_read_again() -> None:
    """Nothing is lost, and nothing is shown twice, where we are slower than the log."""
    engine = PassingOver()

    async def work() -> list[LogEntry]:
        await add(engine, "shop-web-r1", "web")
        log(engine, "shop-web-r1", 1, "first")
        async with following(engine) as entries:
            for number in range(1200):
                log(engine, "shop-web-r1", 2, f"{number} {'x' * 1000}")
            for second in (2, 3, 4, 5):
                log(engine, "shop-web-r1", second, f"lost {second}")
            log(engine, "shop-web-r1", 6, "after")
            log(engine, "shop-web-r1", 9, "later")
            for number in range(1200):
                log(engine, "shop-web-r1", 9, f"{number} {'x' * 1000}")
            log(engine, "shop-web-r1", 10, "lost at the end")
            await asyncio.sleep(2)
            await engine.stop("shop-web-r1", timeout=0)
            await asyncio.sleep(2)
        return entries

    entries = run(work())
    assert len(entries) == 2408
    assert entries[-1].text == "lost at the end"
    assert [entry.text for entry in entries[1201:1207]] == [
        "lost 2",
        "lost 3",
        "lost 4",
        "lost 5",
        "after",
        "later",
    ]
