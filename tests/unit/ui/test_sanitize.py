"""Output of other programs, made safe for a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.ui.sanitize import printable


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
    """Escape sequences are removed, and a progress bar shows its last state."""
    assert printable(given) == expected


def test_printable_with_colour() -> None:
    """Colours can be kept, and end with the line; cursor movements are removed."""
    assert printable("\x1b[31mred\x1b[3A", colour=True) == "\x1b[31mred\x1b[0m"


@given(st.text())
def test_nothing_that_steers_a_terminal_survives(text: str) -> None:
    """No control character but the tab is left of any output."""
    kept = printable(text)
    assert not [char for char in kept if (ord(char) < 32 and char not in "\t\n") or 127 <= ord(char) < 160]
