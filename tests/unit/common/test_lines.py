"""Lines of a stream have a bound, and lose nothing."""

from __future__ import annotations

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st

from ftl.common.lines import MAX_LINE, LineSplitter


def split(*pieces: bytes) -> list[bytes]:
    """All lines of a stream, the last one without an end too."""
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return [*lines, splitter.rest()] if splitter.has_rest else lines


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_lines_do_not_depend_on_the_pieces(data: bytes, cuts: list[int]) -> None:
    """Newlines alone end a line; the bytes are those that came."""
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    *lines, rest = data.split(b"\n")
    assert split(*pieces) == [*lines, *([rest] if rest else [])]


def test_a_line_without_an_end_comes_in_parts() -> None:
    """Of at most the bound each: a program that never ends a line does not fill the memory."""
    splitter = LineSplitter()
    largest, got = 0, 0
    for _ in range(100):
        for line in splitter.feed(b"x" * 65_536):
            largest, got = max(largest, len(line)), got + len(line)
        assert len(splitter._pending) <= MAX_LINE
    assert largest == MAX_LINE
    assert got + len(splitter.rest()) == 100 * 65_536


def test_a_line_of_the_bound_is_one_line() -> None:
    """One byte more begins another."""
    whole = b"x" * MAX_LINE
    assert split(whole, b"\n", b"y\n") == [whole, b"y"]
    assert split(whole + b"z\ny\n") == [whole, b"z", b"y"]


def test_no_character_is_cut() -> None:
    """Both parts of a long line decode."""
    text = "é" * MAX_LINE  # two bytes each, the first at an odd place
    parts = split(b"x" + text.encode() + b"\n")
    assert "".join(part.decode() for part in parts) == "x" + text
    assert all(len(part) <= MAX_LINE for part in parts)


def test_a_long_line_in_small_pieces_takes_linear_time() -> None:
    """A megabyte in pieces of ten bytes: 5 GB were copied if each piece copied what came before."""
    began = time.process_time()
    assert split(*[b"0123456789"] * 100_000) == [b"0123456789" * 100_000]
    assert time.process_time() - began < 5
