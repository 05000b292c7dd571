"""Frames and lines from the engine's multiplexed streams."""

from __future__ import annotations

import asyncio
import itertools
import struct
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ftl.common.lines import MAX_LINE
from ftl.engine.calls.streams import Stream, frames, log_lines
from ftl.engine.values import LogLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

frame_lists = st.lists(
    st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(min_size=0, max_size=40)), max_size=8
)
cuts = st.lists(st.integers(min_value=0, max_value=400), max_size=10)


def encoded(items: Sequence[tuple[Stream, bytes]]) -> bytes:
    """The engine's stream for these frames."""
    numbers = {"stdout": 1, "stderr": 2}
    return b"".join(
        struct.pack(">BxxxL", numbers[stream], len(content)) + content for stream, content in items
    )


async def chunked(data: bytes, at: Sequence[int]) -> AsyncIterator[bytes]:
    """The same bytes in chunks that end at these positions."""
    places = sorted({min(place, len(data)) for place in at} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        yield data[start:end]


async def source(items: Sequence[tuple[Stream, bytes]]) -> AsyncIterator[tuple[Stream, bytes]]:
    """An async iterator of frames."""
    for item in items:
        yield item


def lines_of(items: Sequence[tuple[Stream, bytes]], *, timestamps: bool) -> list[LogLine]:
    """The log lines in these frames."""

    async def work() -> list[LogLine]:
        return [line async for line in log_lines(source(items), timestamps=timestamps)]

    return asyncio.run(work())


@given(items=frame_lists, at=cuts)
def test_frames_are_parsed_from_any_chunks(items: list[tuple[Stream, bytes]], at: list[int]) -> None:
    """The chunks of the network do not matter: the frames are those that were sent."""

    async def work() -> list[tuple[Stream, bytes]]:
        return [frame async for frame in frames(chunked(encoded(items), at))]

    assert asyncio.run(work()) == items


def test_a_truncated_frame_is_dropped() -> None:
    """The incomplete frame at the end of a broken stream is ignored."""
    data = encoded([("stdout", b"whole"), ("stdout", b"broken")])[:-1]

    async def work() -> list[tuple[Stream, bytes]]:
        return [frame async for frame in frames(chunked(data, []))]

    assert asyncio.run(work()) == [("stdout", b"whole")]


@given(
    texts=st.lists(
        st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r")), max_size=5
    ),
    size=st.integers(min_value=1, max_value=9),
)
def test_lines_longer_than_a_frame_are_joined(texts: list[bytes], size: int) -> None:
    """A line that the engine wrote in several frames is one line again."""
    pieces = [
        whole[start : start + size]
        for whole in (text + b"\n" for text in texts)
        for start in range(0, len(whole), size)
    ]
    lines = lines_of([("stdout", piece) for piece in pieces], timestamps=False)
    assert [line.text for line in lines] == [text.decode("utf-8", "replace") for text in texts]


def test_lines_of_the_two_streams_do_not_mix() -> None:
    """An unfinished line of one stream is not continued by the other."""
    lines = lines_of([("stdout", b"a"), ("stderr", b"x\n"), ("stdout", b"b\n")], timestamps=False)
    assert lines == [LogLine("stderr", "", "x"), LogLine("stdout", "", "ab")]


def test_a_line_in_pieces_keeps_its_first_timestamp() -> None:
    """Every piece has a timestamp; the line has the first, and the others are not in its text."""
    lines = lines_of([("stdout", b"T1 aaa"), ("stdout", b"T2 bbb\n"), ("stdout", b"T3 c\n")], timestamps=True)
    assert lines == [LogLine("stdout", "T1", "aaabbb"), LogLine("stdout", "T3", "c")]


def test_a_line_that_never_ends_continues_in_another() -> None:
    """Each part has the time of the frame in which it begins, or goes on; nothing is lost."""
    piece = b"x" * 400_000
    payloads = (*(b"T%d " % number + piece for number in range(1, 4)), b"T4 \n", b"T5 y\n")
    lines = lines_of([("stdout", payload) for payload in payloads], timestamps=True)
    assert [(line.time, len(line.text)) for line in lines] == [("T1", MAX_LINE), ("T3", 200_000), ("T5", 1)]


def test_a_last_line_without_a_newline_is_returned() -> None:
    """The last output of a program is not lost."""
    assert lines_of([("stderr", b"T1 dying")], timestamps=True) == [LogLine("stderr", "T1", "dying")]


def test_invalid_utf8_does_not_stop_a_log() -> None:
    """Such a line has replacement characters; a carriage return at its end is dropped."""
    assert lines_of([("stdout", b"\xff\r\n")], timestamps=False) == [LogLine("stdout", "", "\ufffd")]
