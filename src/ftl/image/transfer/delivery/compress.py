"""Compression of an archive for the engine's API: on several cores, off the event loop.

Every engine sees one ordinary stream. zstd spreads one stream over its own threads. gzip cannot, so blocks
are compressed independently and concatenated as members, which readers accept (Go's compress/gzip, unpigz):
one thread of it (95 MB/s) would be the slowest stage of all.

zstd's jobs are kept small, with an overlap of half a window. On a layer of 174 MB, four threads at level 3: 53.1 MB
and 18 MB of memory, where zstd's default job size takes 97 MB for the same result, and independent blocks of
1 MB give 57.5 MB.
"""

from __future__ import annotations

import asyncio
import os
import sys
import zlib
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal, Protocol

from ftl.dataclass import dataclass
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
"""Bytes to compress at a time."""

_ZSTD_LEVEL = 3
_ZSTD_OVERLAP = 8
"""Share of the preceding bytes that a job sees: half of the window."""

_GZIP_LEVEL = 1
_GZIP_WINDOW = 31
"""zlib's `wbits` for a gzip header around the largest window."""

_ZSTD_SINCE = 23
"""The first major version of Docker that loads a stream compressed with zstd."""


class Compressor(Protocol):
    """Incremental compressor of one stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Compress the next bytes; the output may be empty for now."""
        ...

    def flush(self) -> bytes:
        """The end of the stream."""
        ...


class _GzipMembers:
    """Compresses each block to a separate member; may be called from several threads at once."""

    def compress(self, data: bytes, /) -> bytes:
        return zlib.compress(data, _GZIP_LEVEL, _GZIP_WINDOW)

    def flush(self) -> bytes:
        return b""


def _zstd(threads: int) -> Compressor:
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {parameter.compression_level: _ZSTD_LEVEL}
    if threads > 1 and parameter.nb_workers.bounds()[1] > 0:  # zstd may be built without threads
        options |= {
            parameter.nb_workers: threads,
            parameter.job_size: _BLOCK,
            parameter.overlap_log: _ZSTD_OVERLAP,
        }
    return zstd.ZstdCompressor(options=options)


@dataclass(frozen=True, slots=True)
class Codec:
    """A compression format.

    `compressor` makes one that uses a number of threads; `independent` blocks may be compressed in parallel.
    """

    name: Literal["zstd", "gzip"]
    compressor: Callable[[int], Compressor]
    independent: bool


ZSTD = Codec("zstd", _zstd, independent=False)
GZIP = Codec("gzip", lambda _threads: _GzipMembers(), independent=True)


def codec_for(engine: EngineInfo) -> Codec:
    """The best format that this engine can load: zstd from Docker 23 on, gzip before."""
    major = engine.version.partition(".")[0]
    return ZSTD if major.isdecimal() and int(major) >= _ZSTD_SINCE else GZIP


async def compress_stream(
    chunks: AsyncGenerator[bytes, None], codec: Codec, *, threads: int = _THREADS
) -> AsyncGenerator[bytes, None]:
    """Compress a stream, and close it at the end.

    Reads ahead by as many blocks as there are threads, and no further.
    """
    compressor = codec.compressor(threads)
    compressed = map_in_threads(
        in_blocks(chunks, _BLOCK),
        compressor.compress,
        threads=threads if codec.independent else 1,
        ahead=threads,
    )
    async with aclosing(chunks), aclosing(compressed):
        async for chunk in compressed:
            if chunk:
                yield chunk
        if rest := await asyncio.to_thread(compressor.flush):
            yield rest
