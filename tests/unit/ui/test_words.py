"""Numbers and foreign text as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.figures import age, count, duration, size
from ftl.ui.foreign import printable


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
    """Seconds get the units that a reader can grasp."""
    assert duration(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(-3, "now"), (34, "34 s"), (300, "5 min"), (7300, "2 h"), (47 * 3600, "47 h"), (12 * 86400, "12 days")],
)
def test_age(given: float, expected: str) -> None:
    """How long ago something was needs one unit; a clock that is ahead of ours makes it now."""
    assert age(given) == expected


def test_count() -> None:
    """One thing is singular, any other number is plural."""
    assert [count(number, "layer") for number in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain", "plain"),
        ("tab\tstays", "tab\tstays"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("10%\r50%\r100%", "100%"),
        ("done\r", "done"),
        ("bell\x07 back\x08space", "bell backspace"),
        ("\x9b31mC1", "31mC1"),
    ],
)
def test_printable_without_colour(given: str, expected: str) -> None:
    """Foreign output loses all that steers a terminal, and a progress bar shows its last state."""
    assert printable(given) == expected


def test_printable_with_colour() -> None:
    """Colours may stay, but end with their line; the cursor still may not be moved."""
    assert printable("\x1b[31mred\x1b[3A", colour=True) == "\x1b[31mred\x1b[0m"


@given(st.text())
def test_nothing_that_steers_a_terminal_survives(text: str) -> None:
    """Whatever a program prints, no control character but the tab reaches the terminal."""
    kept = printable(text)
    assert not [char for char in kept if (ord(char) < 32 and char not in "\t\n") or 127 <= ord(char) < 160]
