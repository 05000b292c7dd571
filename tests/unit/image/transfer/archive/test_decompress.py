"""Tests of the decompression of layer blobs."""

from __future__ import annotations

import gzip
import sys
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.errors import TransferFailed
from ftl.image.transfer.archive.decompress import Decompressor

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = b"".join(b"%d bottles of beer\n" % number for number in range(50_000))


@given(
    st.lists(st.binary(max_size=3000), max_size=3),
    st.sampled_from(["gzip", "zstd", "plain"]),
    st.integers(1, 700),
)
def test_any_blob_decompresses(parts: list[bytes], form: str, size: int) -> None:
    """Of several members, in chunks of any size, and shorter than a magic number."""
    compressors: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "zstd": zstd.compress,
        "plain": lambda part: b"-" + part,
    }
    compress = compressors[form]
    blob = b"".join(compress(part) for part in parts)
    expected = blob if form == "plain" else b"".join(parts)
    decompressor = Decompressor()
    out = b"".join(
        chunk
        for start in range(0, len(blob), size)
        for chunk in decompressor.feed(blob[start : start + size])
    )
    assert out + decompressor.finish() == expected


def test_a_small_blob_of_a_large_layer_is_yielded_in_chunks() -> None:
    """A thousandfold compression does not fill the memory."""
    bomb = zlib.compress(bytes(50 << 20), 9, 31)
    sizes = [len(chunk) for chunk in Decompressor().feed(bomb)]
    assert sum(sizes) == 50 << 20
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize("blob", [gzip.compress(CONTENT)[:-20], gzip.compress(CONTENT)[:5000] + b"?" * 5000])
def test_a_damaged_blob_is_an_error(blob: bytes) -> None:
    """Whether it is truncated or changed."""
    decompressor = Decompressor()

    def read() -> None:
        list(decompressor.feed(blob))
        decompressor.finish()

    with pytest.raises(TransferFailed, match="damaged"):
        read()
