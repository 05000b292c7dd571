"""Layers as the containerd store keeps them, back to their tars: gzip, zstd or plain, by their first bytes."""

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
"""Bytes that tell the formats apart."""

_GZIP_WINDOW = 31
"""zlib's `wbits` for a gzip header around the largest window."""

_CHUNK = 1 << 20
"""How much comes out at a time: a small input may be a large output."""


class _Member(Protocol):
    """One gzip member or zstd frame under way."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's decompressor, which hands back what it did not get to; zstd's keeps it."""

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
    """Turns a layer's blob, fed in pieces, into its tar.

    Raises from both methods: TransferFailed when the blob is damaged or cut.
    """

    def __init__(self) -> None:
        self._begun = b""
        self._member: _Member | None = None
        self._plain = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out for these bytes, in chunks of bounded size."""
        try:
            yield from self._feed(data)
        except (zlib.error, zstd.ZstdError) as error:
            raise TransferFailed("a layer of the image is damaged", cause=str(error)) from error

    def finish(self) -> bytes:
        """The last bytes; the blob must be complete."""
        if self._member is not None:
            raise TransferFailed("a layer of the image is damaged", cause="its compressed stream ends early")
        return self._begun

    def _feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._plain:
                yield data
                return
            if self._member is None:
                data = self._begin(self._begun + data)
                continue
            chunk = self._member.decompress(data, _CHUNK)
            while len(chunk) == _CHUNK and not self._member.eof:
                yield chunk
                chunk = self._member.decompress(b"", _CHUNK)
            if chunk:
                yield chunk
            data = b""
            if self._member.eof:
                data, self._member = self._member.unused_data, None

    def _begin(self, data: bytes) -> bytes:
        """Choose by the first bytes, or keep them until there are enough."""
        self._begun = b""
        if len(data) < _MAGIC:
            self._begun = data
            return b""
        if data.startswith(_GZIP):
            self._member = _Gzip()
        elif data.startswith(_ZSTD):
            self._member = zstd.ZstdDecompressor()
        else:
            self._plain = True
        return data
