"""A layer in frames: one stream again for whoever reads it, each as hard compressed as the link gives time for."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftl.image.transfer.delivery.frames import BLOCK, Pace, compress_frames

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

EASY, HARD = 3, 8


async def stream(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """As they come."""
    for piece in pieces:
        yield piece


def made(pieces: Iterable[bytes], pace: Pace | None = None) -> list[bytes]:
    """The frames of these pieces."""

    async def work() -> list[bytes]:
        return [each async for each in compress_frames(stream(pieces), pace or Pace())]

    return asyncio.run(work())


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.sampled_from([0, 1, 1000, BLOCK - 1, BLOCK, 2 * BLOCK]), max_size=5))
def test_frames_one_after_the_other_are_the_layer(sizes: list[int]) -> None:
    """However it comes in pieces, and however much work is done side by side."""
    pieces = [random.Random(at).randbytes(99) * (size // 99 + 1) for at, size in enumerate(sizes)]
    pieces = [piece[:size] for piece, size in zip(pieces, sizes, strict=True)]
    assert zstd.decompress(b"".join(made(pieces)) or zstd.compress(b"")) == b"".join(pieces)


def test_each_frame_stands_alone() -> None:
    """So that it may come by any channel."""
    pieces = [random.Random(at).randbytes(BLOCK) for at in range(3)]
    assert [zstd.decompress(each) for each in made(pieces)] == pieces


@pytest.mark.parametrize(("speed", "level"), [(None, EASY), (1e6, HARD), (100e6, EASY)])
def test_the_first_level_follows_from_what_is_known(speed: float | None, level: int) -> None:
    """Of the link, from before."""
    assert Pace(speed).level == level


@given(st.lists(st.tuples(st.integers(0, BLOCK), st.floats(0, 100))))
def test_the_level_stays_within_bounds(steps: list[tuple[int, float]]) -> None:
    """Whatever a link does: it may take no time at all."""
    pace = Pace()
    for count, seconds in steps:
        pace.took(count, seconds)
        assert EASY <= pace.level <= HARD


def test_the_level_follows_the_link() -> None:
    """Harder while it is slow, easier once it is fast."""
    pace = Pace()
    for _ in range(10):
        pace.took(1 << 20, 1.0)
    assert pace.level == HARD
    for _ in range(10):
        pace.took(1 << 20, 0.001)
    assert pace.level == EASY


def test_a_speed_is_told_after_enough_bytes() -> None:
    """The first ones only fill buffers."""
    pace = Pace()
    pace.took(1000, 0.5)
    assert pace.speed(1001) is None
    assert pace.speed(1000) == 2000


def test_an_error_of_the_stream_comes_through() -> None:
    """After the frames before it, and no thread is left at work."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * BLOCK
        raise OSError("gone")

    async def work() -> None:
        async for _ in compress_frames(broken(), Pace()):
            pass

    with pytest.raises(OSError, match="gone"):
        asyncio.run(work())
