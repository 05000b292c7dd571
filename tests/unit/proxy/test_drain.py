"""Waiting for requests in flight: when it ends, and what it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError
from ftl.events import Draining, Event
from ftl.proxy import drain
from ftl.proxy.drain import wait_drained

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

OLD = "10.83.0.3"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds for seconds."""
    monkeypatch.setattr(drain, "GRACE", 0.012)
    monkeypatch.setattr(drain, "_INTERVAL", 0.002)


def counts(*answers: int | None) -> Callable[[], Awaitable[Mapping[str, int]]]:
    """What the proxy counts on the old container: one answer after the other, the last for ever; None: none."""
    left = list(answers)

    async def in_flight() -> Mapping[str, int]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is None:
            raise FtlError("the proxy does not answer")
        return {f"{OLD}:8000": answer, "10.83.0.4:8000": 7}

    return in_flight


def test_it_ends_when_nothing_is_in_flight() -> None:
    """Requests on other containers are of no interest."""
    events: list[Event] = []
    left = asyncio.run(wait_drained(counts(2, 1, 0), [OLD], 5, events.append, service="web"))
    assert left == {}
    assert events == [Draining("web", 2), Draining("web", 1), Draining("web", 0)]


def test_one_zero_is_not_believed() -> None:
    """A request that was not counted yet shows up at the next look and is waited for."""
    events: list[Event] = []
    answers = counts(0, 0, 1, 1, 1, 0)
    assert asyncio.run(wait_drained(answers, [OLD], 5, events.append)) == {}
    assert Draining("", 1) in events


def test_what_is_left_at_the_end_is_told() -> None:
    """After the timeout the answer says what was still open, by address."""
    assert asyncio.run(wait_drained(counts(3), [f"{OLD}:8000"], 0.02)) == {f"{OLD}:8000": 3}


def test_an_idle_container_causes_no_event() -> None:
    """Where nothing was in flight there is nothing to tell."""
    events: list[Event] = []
    asyncio.run(wait_drained(counts(0), [OLD], 5, events.append))
    assert events == []


def test_a_proxy_that_does_not_answer_counts_as_busy() -> None:
    """Without an answer nobody is cut off early; a later answer counts again."""
    assert asyncio.run(wait_drained(counts(2, None), [OLD], 0.02)) == {f"{OLD}:8000": 2}
    assert asyncio.run(wait_drained(counts(None, None, None, 0), [OLD], 5)) == {}
