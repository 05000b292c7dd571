"""Human-readable numbers."""

from __future__ import annotations

import pytest

from ftl.common.figures import age, ago, binary, count, duration, part, size


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (45_100_000, "45.1 MB"),
        (1_200_000_000, "1.2 GB"),
        (3_000_000_000_000, "3.0 TB"),
    ],
)
def test_size(given: int, expected: str) -> None:
    """Bytes are written in decimal units with one digit, and never as 1000 of a unit."""
    assert size(given) == expected


@pytest.mark.parametrize(
    ("done", "total", "expected"),
    [
        (0, 0, "0/0 B"),
        (7, 812, "  7/812 B"),
        (0, 45_100_000, " 0.0/45.1 MB"),
        (9_260_000, 45_100_000, " 9.3/45.1 MB"),
        (45_100_000, 45_100_000, "45.1/45.1 MB"),
        (450_000_000, 1_200_000_000, "0.5/1.2 GB"),
    ],
)
def test_part(done: int, total: int, expected: str) -> None:
    """Progress is in the unit of the total and has a fixed width."""
    assert part(done, total) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.04, "0.0 s"),
        (1.24, "1.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3780, "1 h 3 min"),
    ],
)
def test_duration(given: float, expected: str) -> None:
    """Longer durations get larger units."""
    assert duration(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(-3, "now"), (34, "34 s"), (300, "5 min"), (7300, "2 h"), (47 * 3600, "47 h"), (12 * 86400, "12 days")],
)
def test_age(given: float, expected: str) -> None:
    """An age has one unit; one in the future, by another clock, is now."""
    assert age(given) == expected
    assert ago(given) == (expected if expected == "now" else f"{expected} ago")


@pytest.mark.parametrize(
    ("given", "expected"),
    [(2**30, "1G"), (2**31, "2G"), (512 * 2**20, "512M"), (1536 * 2**20, "1536M"), (5_000_000, "5.0 MB")],
)
def test_binary(given: int, expected: str) -> None:
    """Sizes of memory are written as in ftl.yaml."""
    assert binary(given) == expected


def test_count() -> None:
    """One is singular, any other number is plural."""
    assert [count(number, "layer") for number in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]
