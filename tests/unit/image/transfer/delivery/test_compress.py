"""Tests of the compression of an archive for the engine's API."""

from __future__ import annotations

import asyncio
import gzip
import sys
from typing import TYPE_CHECKING

import pytest

from ftl.engine.values import EngineInfo
from ftl.image.transfer.delivery.compress import GZIP, ZSTD, Codec, codec_for, compress_stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


CONTENT = b"".join(b"%d bottles of beer\n" % number for number in range(500_000))


async def stream(content: bytes, chunk: int = 60_000) -> AsyncGenerator[bytes, None]:
    """The content in chunks."""
    for start in range(0, len(content), chunk):
        yield content[start : start + chunk]


def compress(content: bytes, codec: Codec, threads: int) -> bytes:
    """The content, compressed."""

    async def run() -> bytes:
        return b"".join([chunk async for chunk in compress_stream(stream(content), codec, threads=threads)])

    return asyncio.run(run())


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(("codec", "expand"), [(ZSTD, zstd.decompress), (GZIP, gzip.decompress)])
def test_compression_by_blocks_is_one_stream(codec: Codec, expand: object, threads: int) -> None:
    """An ordinary decompressor returns the content, complete and in order."""
    compressed = compress(CONTENT, codec, threads)
    assert expand(compressed) == CONTENT  # type: ignore[operator]
    assert len(compressed) < len(CONTENT) / 4


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
@pytest.mark.parametrize(("codec", "expand"), [(ZSTD, zstd.decompress), (GZIP, gzip.decompress)])
def test_compression_at_the_edges_of_a_block(
    codec: Codec, expand: Callable[[bytes], bytes], size: int
) -> None:
    """No byte is lost or repeated between two blocks."""
    assert expand(compress(CONTENT[:size], codec, 2)) == CONTENT[:size]


@pytest.mark.parametrize(
    ("version", "name"),
    [("20.10.24", "gzip"), ("23.0.0", "zstd"), ("28.5.2", "zstd"), ("4.9.3", "gzip"), ("dev", "gzip")],
)
def test_the_codec_is_one_that_the_engine_can_load(version: str, name: str) -> None:
    """Zstd from Docker 23 on; an engine of unknown version gets gzip."""
    info = EngineInfo(version, "1.41", "linux/amd64", "overlay2", "/var/lib/docker")
    assert codec_for(info).name == name
