"""Tests of the link's speed: measured, and remembered per server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.common.user_files import cache_file
from ftl.image.transfer.link_speed import (
    EASY_LEVEL,
    HARD_LEVEL,
    LinkSpeed,
    recall_speed,
    remember_speed,
    shortest_round_trip,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No speed is remembered yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_each_server_has_its_own_speed() -> None:
    """The latest one counts; None changes nothing."""
    assert recall_speed("shop", 0.05) is None
    remember_speed("shop", 2.5e6, 0.05)
    remember_speed("blog", 80e6, 0.001)
    remember_speed("shop", None, 0.05)
    assert (recall_speed("shop", 0.05), recall_speed("blog", 0.001)) == (2.5e6, 80e6)
    remember_speed("shop", 3e6, 0.05)
    assert recall_speed("shop", 0.05) == 3e6


@pytest.mark.parametrize(
    ("earlier", "now", "same"),
    [
        (0.001, 0.011, True),
        (0.001, 0.03, False),
        (0.05, 0.1, True),
        (0.05, 0.12, False),
        (0.3, 0.01, True),
    ],
    ids=["jitter", "left-the-house", "busy", "farther", "nearer"],
)
def test_a_longer_round_trip_means_another_link(earlier: float, now: float, same: bool) -> None:
    """A speed that was measured next to the server says nothing about a link across the country."""
    remember_speed("shop", 50e6, earlier)
    assert recall_speed("shop", now) == (50e6 if same else None)


def test_the_shortest_round_trip_counts() -> None:
    """A busy machine takes longer for any; over another link the last one says nothing."""
    assert shortest_round_trip("shop", 0.004) == 0.004
    remember_speed("shop", 50e6, 0.002)
    assert shortest_round_trip("shop", 0.012) == 0.002
    assert shortest_round_trip("shop", 0.001) == 0.001
    assert shortest_round_trip("shop", 0.08) == 0.08


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"shop": 3000000}', '{"shop": {"speed": "x", "round_trip": 1}}', '{"shop": {"speed": -1}}'],
)
def test_an_invalid_file_is_ignored(content: str) -> None:
    """An older FTL may have written it, or an editor."""
    path = cache_file("links.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert recall_speed("shop", 0.01) is None


@pytest.mark.parametrize(("speed", "level"), [(None, EASY_LEVEL), (1e6, HARD_LEVEL), (100e6, EASY_LEVEL)])
def test_the_first_level_follows_from_the_remembered_speed(speed: float | None, level: int) -> None:
    """A slow link leaves time for a high level from the first block on."""
    assert LinkSpeed(speed).level == level


@given(st.lists(st.tuples(st.integers(0, 2 << 20), st.floats(0, 100))))
def test_the_level_stays_within_bounds(steps: list[tuple[int, float]]) -> None:
    """Even if writing takes no time at all."""
    pace = LinkSpeed()
    for count, seconds in steps:
        pace.record(count, seconds)
        assert EASY_LEVEL <= pace.level <= HARD_LEVEL


def test_the_level_follows_the_link() -> None:
    """It rises while the link is slow, and falls once it is fast."""
    pace = LinkSpeed()
    for _ in range(10):
        pace.record(1 << 20, 1.0)
    assert pace.level == HARD_LEVEL
    for _ in range(10):
        pace.record(1 << 20, 0.001)
    assert pace.level == EASY_LEVEL


def test_the_speed_is_known_after_enough_bytes() -> None:
    """The first ones only fill buffers."""
    pace = LinkSpeed()
    pace.record(1000, 0.5)
    assert pace.speed(1001) is None
    assert pace.speed(1000) == 2000


@pytest.mark.parametrize(("measured", "speed"), [(100e6, 100e6), (1e6, 8e6)])
def test_the_link_is_as_fast_as_either_side_measured(measured: float, speed: float) -> None:
    """A slow engine holds up the sender, and a busy server measures its own processes."""
    pace = LinkSpeed()
    pace.measured = measured
    assert pace.speed(4_000_000) == measured
    pace.record(8_000_000, 1.0)
    assert pace.speed(4_000_000) == speed
