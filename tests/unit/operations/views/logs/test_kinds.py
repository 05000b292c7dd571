"""Kinds of logs on one server: what each shows, and whom it asks about secrets first."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import product
from typing import TYPE_CHECKING, Any, get_args

import pytest

from ftl.events import Note
from ftl.host.session import Session
from ftl.operations.views.logs import kinds
from ftl.operations.views.logs.kinds import LogAccess, LogReading, Shown, show_logs
from ftl.operations.views.logs.query import LogEntry, LogQuery
from tests.support.clock import run
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.operations.stage import PROJECT, add
from tests.unit.operations.views.logs.stage import NAMES, shop, texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.events import Event
    from tests.support.fake_engine import FakeEngine


class Logs:
    """What was shown and noted, and how often the secrets were masked."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        self.events: list[Event] = []
        self.masked = 0

    def access(self, engine: FakeEngine, *, narrowed: bool = False) -> LogAccess:
        """A server with this engine."""

        @asynccontextmanager
        async def connect(host: str = "", ahead: Any = None) -> AsyncIterator[Session]:
            assert not host
            session = Session("server", FakeMachine(), engine, INFO)
            if ahead is not None:
                ahead.begin(engine)
            yield session

        return LogAccess(connect, list, (), self._mask, narrowed)

    def reading(self, *names: str) -> LogReading:
        """All lines of these names."""
        query = LogQuery(PROJECT, names or NAMES)
        return LogReading(query, Shown(self.entries.append), lambda _: None, self.events.append)

    async def _mask(self) -> None:
        self.masked += 1


@pytest.mark.parametrize("narrowed", [False, True])
def test_logs_are_shown_once_and_masked_where_the_server_has_no_records(*, narrowed: bool) -> None:
    """One server chosen of several may be a worker; the project's only one masks by its own records."""
    logs = Logs()

    async def work() -> int:
        reading = logs.reading()
        await show_logs("logs", logs.access(await shop(), narrowed=narrowed), reading, follow=False)
        return reading.show.count

    assert run(work()) == len(logs.entries) > 0
    assert "c" in texts(logs.entries)
    assert logs.masked == narrowed


def test_who_follows_a_silent_log_is_not_left_without_a_word() -> None:
    """Once a first line had time to come."""
    logs = Logs()

    async def work() -> None:
        silent = logs.reading("mute")
        engine = await shop()
        await add(engine, "shop-mute-r1", "mute")
        following = asyncio.create_task(show_logs("logs", logs.access(engine), silent, follow=True))
        await asyncio.sleep(kinds.SILENCE + 0.1)
        following.cancel()
        await asyncio.wait({following})

    run(work())
    notes = [event.text for event in logs.events if isinstance(event, Note)]
    assert notes == ["mute: nothing logged yet; waiting for lines (Ctrl-C stops)"]


def test_each_kind_is_shown_of_one_server_and_of_several_once_and_followed() -> None:
    """`ftl logs` asks for one of them."""
    assert set(kinds._KINDS) == set(product(get_args(kinds.LogKind), (False, True), (False, True)))
