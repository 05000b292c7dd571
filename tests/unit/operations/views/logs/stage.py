"""Stage for tests of logs: a service with two containers and a dependency."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.operations.views.logs.following import Follower
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.operations.views.logs.reading import LogServer, read_logs
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.operations.stage import PROJECT, add, log, session_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = ("web", "db")


WARNINGS: list[str] = []
"""Warnings of the test that runs."""


async def shop() -> FakeEngine:
    """A service with two containers and a dependency, with interleaved lines."""
    engine = FakeEngine()
    await add(engine, "shop-web-r1-1", "web")
    await add(engine, "shop-web-r1-2", "web")
    await add(engine, "shop-db", "db", role=labels.ROLE_DEPENDENCY)
    for name, second, text in (
        ("shop-web-r1-1", 1, "a"),
        ("shop-web-r1-1", 4, "d"),
        ("shop-web-r1-2", 2, "b"),
        ("shop-web-r1-2", 5, "e"),
        ("shop-db", 3, "c"),
        ("shop-db", 6, "f"),
    ):
        log(engine, name, second, text)
    return engine


def read(engine: FakeEngine, **options: object) -> list[LogEntry]:
    """All lines up to the present."""
    entries: list[LogEntry] = []
    query = LogQuery(PROJECT, NAMES, **options)  # type: ignore[arg-type]
    run(read_logs([LogServer(engine)], query, entries.append, WARNINGS.append))
    return entries


def texts(entries: list[LogEntry]) -> str:
    """Their texts, one after the other."""
    return "".join(entry.text for entry in entries)


@asynccontextmanager
async def following(
    engine: FakeEngine, names: tuple[str, ...] = NAMES, **options: object
) -> AsyncIterator[list[LogEntry]]:
    """Follow until the end of the block; the lines shown so far."""
    entries: list[LogEntry] = []
    query = LogQuery(PROJECT, names, **options)  # type: ignore[arg-type]
    task = asyncio.ensure_future(Follower(query, entries.append, WARNINGS.append).follow(session_of(engine)))
    await asyncio.sleep(0.5)
    yield entries
    await asyncio.sleep(3)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
