"""Tests of the compression of a layer in independent frames."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftl.image.transfer.delivery.frames import BLOCK, compress_frames
from ftl.image.transfer.link_speed import LinkSpeed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a layer."""
    for chunk in chunks:
        yield chunk


def compressed(chunks: Iterable[bytes]) -> list[bytes]:
    """The frames of these chunks."""

    async def work() -> list[bytes]:
        return [frame async for frame in compress_frames(stream(chunks), LinkSpeed())]

    return asyncio.run(work())


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.sampled_from([0, 1, 1000, BLOCK - 1, BLOCK, 2 * BLOCK]), max_size=5))
def test_the_concatenated_frames_are_the_layer(sizes: list[int]) -> None:
    """Whatever the sizes of the chunks, in order despite the threads."""
    chunks = [(random.Random(at).randbytes(99) * (size // 99 + 1))[:size] for at, size in enumerate(sizes)]
    assert zstd.decompress(b"".join(compressed(chunks)) or zstd.compress(b"")) == b"".join(chunks)


def test_each_frame_is_independent() -> None:
    """It decompresses without the frames before it, and has one block."""
    chunks = [random.Random(at).randbytes(BLOCK) for at in range(3)]
    assert [zstd.decompress(frame) for frame in compressed(chunks)] == chunks


def test_an_error_of_the_stream_is_raised() -> None:
    """It reaches the consumer as it is."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * BLOCK
        raise OSError("gone")

    async def work() -> None:
        async for _ in compress_frames(broken(), LinkSpeed()):
            pass

    with pytest.raises(OSError, match="gone"):
        asyncio.run(work())
