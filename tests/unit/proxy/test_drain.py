"""Waiting for requests in flight."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError
from ftl.events import Draining, Event, Note
from ftl.proxy.drain import SETTLE_SECONDS, wait_drained
from tests.support.clock import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

OLD = "10.83.0.3"


def counts(*answers: int | None) -> Callable[[], Awaitable[Mapping[str, int]]]:
    """A proxy that counts these requests on the old container, the last number for ever; None: no answer."""
    left = list(answers)

    async def in_flight() -> Mapping[str, int]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is None:
            raise FtlError("the proxy does not answer")
        return {f"{OLD}:8000": answer, "10.83.0.4:8000": 7}

    return in_flight


async def seconds_of(waiting: Awaitable[Mapping[str, int]]) -> float:
    """Duration of a wait."""
    await waiting
    return asyncio.get_running_loop().time()


def test_it_ends_when_nothing_is_in_flight() -> None:
    """Each change of the count is an event; requests on other containers do not matter."""
    events: list[Event] = []
    assert run(wait_drained(counts(2, 1, 0), [OLD], 5, events.append, service="web")) == {}
    assert events == [Draining("web", 2), Draining("web", 1), Draining("web", 0)]


def test_a_single_zero_is_not_believed() -> None:
    """A request that was not counted yet appears in a later count and is waited for."""
    events: list[Event] = []
    assert run(wait_drained(counts(0, 1, 1, 0), [OLD], 5, events.append)) == {}
    assert Draining("", 1) in events


def test_zeros_are_believed_once_the_switch_has_settled() -> None:
    """An idle container is asked for twice: at once, and as soon as no uncounted request can appear any more."""
    for switched_ago in (0.0, 0.07, SETTLE_SECONDS / 2):
        left = SETTLE_SECONDS - switched_ago
        asked: list[float] = []

        async def idle(asked: list[float] = asked) -> Mapping[str, int]:
            asked.append(asyncio.get_running_loop().time())
            return {}

        run(wait_drained(idle, [OLD], 60, switched_ago=switched_ago))
        assert asked == [0.0, pytest.approx(left, abs=0.01)]
        assert asked[-1] >= left


def test_a_container_that_ends_its_requests_is_asked_for_when_the_switch_has_settled() -> None:
    """However the interval of the counts falls: the wait ends with the first count from then on that is a second 0."""
    seconds = run(seconds_of(wait_drained(counts(1, 0), [OLD], 60, switched_ago=0.05)))
    assert seconds == pytest.approx(SETTLE_SECONDS - 0.05, abs=0.01)


def test_open_requests_are_returned_after_the_timeout() -> None:
    """They are counted by address, and the wait lasts exactly as long as it may."""
    assert run(wait_drained(counts(3), [f"{OLD}:8000"], 10)) == {f"{OLD}:8000": 3}
    assert abs(run(seconds_of(wait_drained(counts(3), [OLD], 10))) - 10) < 0.01


def test_an_idle_container_causes_no_event() -> None:
    """Where nothing was in flight, nothing is reported."""
    events: list[Event] = []
    run(wait_drained(counts(0), [OLD], 5, events.append))
    assert events == []


def test_a_proxy_that_does_not_answer_counts_as_busy() -> None:
    """Without an answer no request is cut off early; a later answer counts again."""
    assert run(wait_drained(counts(2, None), [OLD], 3)) == {f"{OLD}:8000": 2}
    assert run(wait_drained(counts(None, None, None, 0), [OLD], 5)) == {}


def test_a_long_wait_is_explained_once() -> None:
    """A stream that stays open is the reason for it, and the key that shortens the wait is named."""
    events: list[Event] = []
    run(wait_drained(counts(1), [OLD], 30, events.append, service="web"))
    (note,) = [event for event in events if isinstance(event, Note)]
    assert note.text.startswith("web: 1 request is still open")
    assert "30 s" in note.text
    assert note.hint is not None
    assert "`drain_timeout` of web" in note.hint


def test_a_short_wait_needs_no_explanation() -> None:
    """Neither requests that end soon, nor a timeout that is short."""
    events: list[Event] = []
    run(wait_drained(counts(*[1] * 10, 0), [OLD], 30, events.append, service="web"))
    run(wait_drained(counts(1), [OLD], 4, events.append, service="web"))
    assert not any(isinstance(event, Note) for event in events)
