"""Spooling of a layer to a temporary file, decompressed, to learn its digest and size.

A tar header says the size before the body, and the image archive names a layer by its digest. Where the local
engine provides neither before the bytes (compressed blobs of the containerd store, a layer of an unknown
name), the layer is spooled, one at a time. The ordinary case does without.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ftl.errors import TransferFailed
from ftl.image.transfer.archive.blocks import in_blocks
from ftl.image.transfer.archive.decompress import Decompressor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK = 1 << 20


class SpooledLayer:
    """A layer's tar in a temporary file, with its digest and size."""

    def __init__(self, file: BinaryIO, diff_id: str, size: int) -> None:
        self._file = file
        self.diff_id = diff_id
        self.size = size

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes from the beginning."""
        await asyncio.to_thread(self._file.seek, 0)
        while chunk := await asyncio.to_thread(self._file.read, _CHUNK):
            yield chunk


class _Unpacker:
    """Decompresses a blob, computes the tar's digest and size, and writes it to a file if there is one; blocking."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self._decompressor = Decompressor()
        self._hash = hashlib.sha256()
        self.size = 0

    def feed(self, data: bytes) -> None:
        for chunk in self._decompressor.feed(data):
            self._take(chunk)

    def finish(self) -> str:
        self._take(self._decompressor.finish())
        return f"sha256:{self._hash.hexdigest()}"

    def _take(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.size += len(chunk)
        if self._file:
            self._file.write(chunk)


@asynccontextmanager
async def spool_layer(chunks: AsyncIterator[bytes]) -> AsyncIterator[SpooledLayer]:
    """Decompress a layer's blob into a temporary file.

    The file is in /var/tmp where there is one (/tmp is memory on many machines), and is gone with the
    context.

    Raises:
        TransferFailed: The blob is damaged, or the local disk is full.
    """
    with await asyncio.to_thread(temporary_file) as file:
        unpacker = _Unpacker(file)
        try:
            diff_id = await _unpack(unpacker, chunks)
        except OSError as error:
            raise spool_failed(error) from error
        yield SpooledLayer(file, diff_id, unpacker.size)


async def digest_layer(chunks: AsyncIterator[bytes]) -> tuple[str, int]:
    """The diffID of a layer's blob and the size of its tar in bytes; the tar is not written.

    Raises:
        TransferFailed: The blob is damaged.
    """
    unpacker = _Unpacker(None)
    diff_id = await _unpack(unpacker, chunks)
    return diff_id, unpacker.size


async def _unpack(unpacker: _Unpacker, chunks: AsyncIterator[bytes]) -> str:
    async for block in in_blocks(chunks, _CHUNK):
        await asyncio.to_thread(unpacker.feed, block)
    return await asyncio.to_thread(unpacker.finish)


def spool_failed(error: OSError) -> TransferFailed:
    """The error for a temporary file that could not be written."""
    return TransferFailed(
        "a layer could not be stored temporarily on this machine",
        cause=error.strerror,
        hint=f"free some space in {_folder() or tempfile.gettempdir()}, or set TMPDIR to a larger folder",
    )


def temporary_file() -> BinaryIO:
    """An unnamed file, gone when it is closed."""
    return tempfile.TemporaryFile(dir=_folder())


def _folder() -> str | None:
    """The folder for temporary files; None is the default, which TMPDIR decides."""
    large = Path("/var/tmp")  # noqa: S108  # for a file without a name
    return str(large) if "TMPDIR" not in os.environ and large.is_dir() else None
