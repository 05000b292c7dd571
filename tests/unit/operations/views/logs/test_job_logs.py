"""Logs of jobs: lines of runs whose containers are gone, merged with those that are there."""

from __future__ import annotations

import asyncio

import pytest

from ftl.engine import labels
from ftl.engine.values import LogLine
from ftl.errors import FtlError
from ftl.host.job_logs import RunLog, store_run_logs
from ftl.operations.views.logs.following import Follower
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.operations.views.logs.reading import LogServer, read_logs
from ftl.releases.store import ensure_store
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.operations.stage import PROJECT, add, log, session_of

NAME = "shop.job.nightly"


def kept(second: int, *texts: str, container: str = "gone", release: str = "r1") -> RunLog:
    """A run that began at a second of a fixed minute, and printed a line each second."""
    lines = tuple(
        LogLine("stdout", f"2026-01-02T03:04:{second + n:02}.000000000Z", text)
        for n, text in enumerate(texts)
    )
    return RunLog(lines[0].time, "web", container, f"job.nightly.old-{container}", release, lines)


async def server(*logs: RunLog, live: bool = True) -> FakeEngine:
    """A server that keeps these runs, and has a container of a later one."""
    engine = FakeEngine(images=["web"])
    await ensure_store(engine, "web")
    await store_run_logs(engine, PROJECT, "nightly", logs)
    if live:
        label_map = {labels.JOB: "nightly", labels.RELEASE: "r3"}
        await add(engine, NAME, "web", role=labels.ROLE_JOB, more=label_map)
        log(engine, NAME, 30, "e")
        log(engine, NAME, 31, "f")
    return engine


def query(**options: object) -> LogQuery:
    """What `ftl logs --job nightly` asks for."""
    return LogQuery(PROJECT, ("nightly",), jobs=True, **options)  # type: ignore[arg-type]


def read(engine: FakeEngine, **options: object) -> list[LogEntry]:
    """All lines up to the present."""
    entries: list[LogEntry] = []
    run(read_logs([LogServer(engine)], query(**options), entries.append, print))
    return entries


def texts(entries: list[LogEntry]) -> str:
    """Their texts, one after the other."""
    return "".join(entry.text for entry in entries)


def test_lines_of_runs_in_containers_that_are_gone_come_with_the_others() -> None:
    """By time, with the container and the release that they were of."""
    engine = run(server(kept(10, "c", "d", container="other", release="r2"), kept(1, "a", "b")))
    entries = read(engine)
    assert texts(entries) == "abcdef"
    assert [(entry.name, entry.release) for entry in entries[1:3]] == [
        ("job.nightly.old-gone", "r1"),
        ("job.nightly.old-other", "r2"),
    ]
    assert texts(read(engine, tail=3)) == "def"
    assert texts(read(engine, release="r2")) == "cd"
    since, until = "2026-01-02T03:04:02Z", "2026-01-02T03:04:10Z"
    assert texts(read(engine, since=since, until=until)) == "bc"
    assert texts(read(engine, matches=lambda text: text in "ae")) == "ae"
    services: list[LogEntry] = []
    with pytest.raises(FtlError, match="no container of nightly"):
        run(read_logs([LogServer(engine)], LogQuery(PROJECT, ("nightly",)), services.append, print))


def test_what_a_container_still_has_is_shown_once() -> None:
    """The deploy that kept its lines was cut before it removed it, or it ran again just then."""
    engine = run(server())
    container = engine.by_name[NAME].id
    run(store_run_logs(engine, PROJECT, "nightly", [kept(30, "e", "f", container=container)]))
    assert texts(read(engine)) == "ef"


def test_kept_lines_are_shown_where_no_container_is_left() -> None:
    """Of a job that is no longer in ftl.yaml; without them it is an error."""
    assert texts(read(run(server(kept(1, "a"), live=False)))) == "a"
    with pytest.raises(FtlError, match="no container of nightly"):
        read(run(server(live=False)))


def test_the_last_ten_runs_are_kept() -> None:
    """As many as are listed."""
    logs = [kept(second, chr(ord("a") + second)) for second in range(15)]
    assert texts(read(run(server(*logs, live=False)))) == "fghijklmno"


def test_they_are_the_past_of_who_follows() -> None:
    """New lines come after them."""

    async def work() -> str:
        engine = await server(kept(1, "a", "b"))
        entries: list[LogEntry] = []
        task = asyncio.ensure_future(Follower(query(), entries.append, print).follow(session_of(engine)))
        await asyncio.sleep(0.5)
        log(engine, NAME, 40, "g")
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.wait({task})
        return texts(entries)

    assert run(work()) == "abefg"
