"""Decompression of layer blobs: gzip, zstd or plain, recognised by their first bytes."""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Protocol

from ftl.errors import TransferFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_MAGIC = 4
"""Bytes that are enough to recognise a format."""

_GZIP_WINDOW = 31
"""zlib's `wbits` for a gzip header around the largest window."""

_CHUNK = 1 << 20
"""Most bytes to decompress at a time: a small input may be a large output."""


class _Frame(Protocol):
    """Decompressor of one gzip member or zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _GzipMember:
    """zlib's decompressor with the interface of zstd's, which keeps input that it did not get to."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP_WINDOW)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class Decompressor:
    """Incremental decompressor: turns a layer's blob into its tar.

    Raises from both methods: TransferFailed when the blob is damaged or truncated.
    """

    def __init__(self) -> None:
        self._start = b""
        self._frame: _Frame | None = None
        self._plain = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next bytes of the blob, to chunks of bounded size."""
        try:
            yield from self._feed(data)
        except (zlib.error, zstd.ZstdError) as error:
            raise TransferFailed("a layer of the image is damaged", cause=str(error)) from error

    def finish(self) -> bytes:
        """The last bytes of the tar; the blob must be complete."""
        if self._frame is not None:
            raise TransferFailed("a layer of the image is damaged", cause="its compressed stream ends early")
        return self._start

    def _feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._plain:
                yield data
                return
            if self._frame is None:
                data = self._recognise(self._start + data)
                continue
            chunk = self._frame.decompress(data, _CHUNK)
            while len(chunk) == _CHUNK and not self._frame.eof:
                yield chunk
                chunk = self._frame.decompress(b"", _CHUNK)
            if chunk:
                yield chunk
            data = b""
            if self._frame.eof:
                data, self._frame = self._frame.unused_data, None

    def _recognise(self, data: bytes) -> bytes:
        """Choose the format by the first bytes, or keep them until there are enough; returns those to decompress."""
        self._start = b""
        if len(data) < _MAGIC:
            self._start = data
            return b""
        if data.startswith(_GZIP):
            self._frame = _GzipMember()
        elif data.startswith(_ZSTD):
            self._frame = zstd.ZstdDecompressor()
        else:
            self._plain = True
        return data
