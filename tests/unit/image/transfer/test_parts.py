"""The parts of a transfer that need no engine: compression, the pump, what counts as the same."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.aio import to_the_end
from ftl.engine.values import EngineInfo, Image
from ftl.errors import TransferFailed
from ftl.image.transfer.compress import GZIP, ZSTD, Codec, codec_for, compressed
from ftl.image.transfer.decompress import Decompressor
from ftl.image.transfer.incoming import stale
from ftl.image.transfer.pump import pumped
from ftl.image.transfer.same import same

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = b"".join(b"%d bottles of beer\n" % number for number in range(500_000))


async def stream(content: bytes, piece: int = 60_000) -> AsyncGenerator[bytes, None]:
    """Content as it arrives."""
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


def squeeze(content: bytes, codec: Codec, threads: int) -> bytes:
    """Content through the compressor."""

    async def run() -> bytes:
        return b"".join([chunk async for chunk in compressed(stream(content), codec, threads=threads)])

    return asyncio.run(run())


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(("codec", "expand"), [(ZSTD, zstd.decompress), (GZIP, gzip.decompress)])
def test_compression_by_blocks_is_one_stream(codec: Codec, expand: object, threads: int) -> None:
    """Ordinary readers see the content, whole and in order."""
    packed = squeeze(CONTENT, codec, threads)
    assert expand(packed) == CONTENT  # type: ignore[operator]
    assert len(packed) < len(CONTENT) / 4


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
@pytest.mark.parametrize(("codec", "expand"), [(ZSTD, zstd.decompress), (GZIP, gzip.decompress)])
def test_compression_at_the_edges_of_a_block(
    codec: Codec, expand: Callable[[bytes], bytes], size: int
) -> None:
    """No byte is lost or doubled where one block ends and another begins."""
    assert expand(squeeze(CONTENT[:size], codec, 2)) == CONTENT[:size]


@pytest.mark.parametrize(
    ("version", "name"),
    [("20.10.24", "gzip"), ("23.0.0", "zstd"), ("28.5.2", "zstd"), ("4.9.3", "gzip"), ("dev", "gzip")],
)
def test_the_codec_is_one_that_the_engine_reads(version: str, name: str) -> None:
    """Zstd from Docker 23 on; an engine of unknown age gets gzip."""
    info = EngineInfo(version, "1.41", "linux/amd64", "overlay2", "/var/lib/docker")
    assert codec_for(info).name == name


@given(
    st.lists(st.binary(max_size=3000), max_size=3),
    st.sampled_from(["gzip", "zstd", "plain"]),
    st.integers(1, 700),
)
def test_any_blob_decompresses(parts: list[bytes], form: str, piece: int) -> None:
    """Of several members, cut anywhere, and shorter than a magic number."""
    ways: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "zstd": zstd.compress,
        "plain": lambda part: b"-" + part,
    }
    squeeze_one = ways[form]
    blob = b"".join(squeeze_one(part) for part in parts)
    expected = blob if form == "plain" else b"".join(parts)
    decompressor = Decompressor()
    out = b"".join(
        chunk
        for start in range(0, len(blob), piece)
        for chunk in decompressor.feed(blob[start : start + piece])
    )
    assert out + decompressor.finish() == expected


def test_a_small_blob_of_a_large_layer_comes_in_chunks() -> None:
    """A thousandfold compression does not fill the memory."""
    bomb = zlib.compress(bytes(50 << 20), 9, 31)
    sizes = [len(chunk) for chunk in Decompressor().feed(bomb)]
    assert sum(sizes) == 50 << 20
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize("blob", [gzip.compress(CONTENT)[:-20], gzip.compress(CONTENT)[:5000] + b"?" * 5000])
def test_a_damaged_blob_is_an_error(blob: bytes) -> None:
    """Cut or garbled."""
    decompressor = Decompressor()

    def read() -> None:
        list(decompressor.feed(blob))
        decompressor.finish()

    with pytest.raises(TransferFailed, match="damaged"):
        read()


def test_a_pump_ends_its_stream_while_someone_still_reads() -> None:
    """The stream is closed when the context is left, whatever its reader does."""
    ended: list[bool] = []

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            ended.append(True)

    async def read(chunks: AsyncIterator[bytes], begun: asyncio.Event) -> None:
        async for _ in chunks:
            begun.set()

    async def work() -> None:
        begun = asyncio.Event()
        async with pumped(endless()) as chunks:
            reader = asyncio.create_task(read(chunks, begun))
            await begun.wait()
        assert ended == [True]
        assert not reader.done()
        reader.cancel()

    asyncio.run(work())


def test_a_pump_hands_on_content_and_errors() -> None:
    """In order, and the error where it happened."""

    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"
        raise TransferFailed("broken")

    async def work() -> list[bytes]:
        async with pumped(failing()) as chunks:
            seen = [await anext(chunks), await anext(chunks)]
            with pytest.raises(TransferFailed, match="broken"):
                await anext(chunks)
        return seen

    assert asyncio.run(work()) == [b"one", b"two"]


def test_calls_side_by_side_give_the_first_error_when_all_are_over() -> None:
    """Nothing goes on behind the caller's back, and the error is no group."""
    over: list[int] = []

    async def call(number: int) -> int:
        await asyncio.sleep(0)
        over.append(number)
        if number == 1:
            raise TransferFailed("second")
        return number

    with pytest.raises(TransferFailed, match="second"):
        asyncio.run(to_the_end([call(number) for number in range(3)]))
    assert sorted(over) == [0, 1, 2]


IMAGE = Image(
    "sha256:1", ("web:r1",), (), ("a", "b"), {"Env": ["A=1"], "Cmd": ["run"]}, "linux/amd64", 10, "2026"
)


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        (replace(IMAGE, id="sha256:2", tags=(), size=99, created=""), True),
        (replace(IMAGE, id="sha256:2", config={**IMAGE.config, "Volumes": None, "User": ""}), True),
        (replace(IMAGE, id="sha256:2", config={**IMAGE.config, "User": "web"}), False),
        (replace(IMAGE, id="sha256:2", layers=("b", "a")), False),
        (replace(IMAGE, id="sha256:2", platform="linux/arm64"), False),
        (replace(IMAGE, config={}), True),
    ],
)
def test_images_are_the_same_if_a_container_could_not_tell(other: Image, equal: bool) -> None:
    """Stores give one image different IDs and engines spell out different empty fields; equal IDs are proof."""
    assert same(IMAGE, other) is equal


def test_temporary_tags_are_stale_after_a_day() -> None:
    """Others are someone's work under way, or not ours."""
    day = 24 * 3600
    tags = ("ftl-incoming:100-ab-0", f"ftl-incoming:{day}-ab-0", "ftl-incoming:latest", "web:100-ab-0")
    assert stale([replace(IMAGE, tags=tags)], now=day + 200.0) == ["ftl-incoming:100-ab-0"]
