"""Compression on the way to an engine: on several cores, in bounded memory, beside the event loop.

Every engine's reader sees one ordinary stream. zstd spreads one stream over its own threads. gzip cannot, so blocks
are compressed apart and put one behind the other as members, which readers follow (Go's compress/gzip, unpigz):
one thread of it (95 MB/s) would be the slowest stage of all.

zstd's jobs are kept small, with an overlap of half a window. On a layer of 174 MB, four threads at level 3: 53.1 MB
and 18 MB of memory, where zstd's own choice of job size takes 97 MB for the same result, and independent blocks of
1 MB give 57.5 MB.
"""

from __future__ import annotations

import asyncio
import os
import sys
import zlib
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ftl.image.transfer.archive.blocks import in_blocks, map_in_threads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ftl.engine.values import EngineInfo

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_THREADS = min(4, os.cpu_count() or 1)
_BLOCK = 1 << 20
"""Bytes that are compressed at a time."""

_ZSTD_LEVEL = 3
_ZSTD_OVERLAP = 8
"""How much of what came before a job sees: half of the window."""

_GZIP_LEVEL = 1
_GZIP_WINDOW = 31
"""zlib's `wbits` for a gzip header around the largest window."""

_READS_ZSTD = 23
"""The first major version of Docker that loads a stream compressed with zstd."""


class Compressor(Protocol):
    """One stream under way."""

    def compress(self, data: bytes, /) -> bytes:
        """What there is to send after these bytes; may be nothing yet."""
        ...

    def flush(self) -> bytes:
        """The end of the stream."""
        ...


class _GzipMembers:
    """Each block a member of its own: its method may be called from several threads at once."""

    def compress(self, data: bytes, /) -> bytes:
        return zlib.compress(data, _GZIP_LEVEL, _GZIP_WINDOW)

    def flush(self) -> bytes:
        return b""


def _zstd(threads: int) -> Compressor:
    chosen = zstd.CompressionParameter
    options: dict[int, int] = {chosen.compression_level: _ZSTD_LEVEL}
    if threads > 1 and chosen.nb_workers.bounds()[1] > 0:  # it may be built without threads
        options |= {chosen.nb_workers: threads, chosen.job_size: _BLOCK, chosen.overlap_log: _ZSTD_OVERLAP}
    return zstd.ZstdCompressor(options=options)


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to compress.

    Attributes:
        begin: Makes a compressor that uses so many threads.
        apart: Blocks do not depend on each other, so threads of ours may compress them side by side.
    """

    name: Literal["zstd", "gzip"]
    begin: Callable[[int], Compressor]
    apart: bool


ZSTD = Codec("zstd", _zstd, apart=False)
GZIP = Codec("gzip", lambda _threads: _GzipMembers(), apart=True)


def codec_for(engine: EngineInfo) -> Codec:
    """What this engine reads: zstd from Docker 23 on, gzip before."""
    major = engine.version.partition(".")[0]
    return ZSTD if major.isdecimal() and int(major) >= _READS_ZSTD else GZIP


async def compress_stream(
    pieces: AsyncGenerator[bytes, None], codec: Codec, *, threads: int = _THREADS
) -> AsyncGenerator[bytes, None]:
    """The stream in compressed form; closes it.

    Reads ahead by as many blocks as there are threads, and no further.
    """
    compressor = codec.begin(threads)
    chunks = map_in_threads(
        in_blocks(pieces, _BLOCK), compressor.compress, threads=threads if codec.apart else 1, ahead=threads
    )
    async with aclosing(pieces), aclosing(chunks):
        async for chunk in chunks:
            if chunk:
                yield chunk
        if rest := await asyncio.to_thread(compressor.flush):
            yield rest
