"""A layer's blob unpacked: put aside in a nameless temporary file, one at a time, or only read for what it is.

A tar header says the size before the body, and our archive names a layer by its digest. Where the local
engine hands out neither before the bytes (compressed blobs of the containerd store, a layer of an unknown
name), the layer waits here until both are known. The ordinary case does without.
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

_PIECE = 1 << 20


class SpooledLayer:
    """A layer's tar: its digest and size, known now, and its bytes."""

    def __init__(self, file: BinaryIO, diff_id: str, size: int) -> None:
        self._file = file
        self.diff_id = diff_id
        self.size = size

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes from the beginning."""
        await asyncio.to_thread(self._file.seek, 0)
        while piece := await asyncio.to_thread(self._file.read, _PIECE):
            yield piece


class _Unpacker:
    """Decompresses a blob, digests and counts what comes out, and (with a file) keeps it; blocking, for a thread."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self._decompressor = Decompressor()
        self._hash = hashlib.sha256()
        self.size = 0

    def feed(self, data: bytes) -> None:
        for chunk in self._decompressor.feed(data):
            self._keep(chunk)

    def finish(self) -> str:
        self._keep(self._decompressor.finish())
        return f"sha256:{self._hash.hexdigest()}"

    def _keep(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.size += len(chunk)
        if self._file:
            self._file.write(chunk)


@asynccontextmanager
async def spool_layer(pieces: AsyncIterator[bytes]) -> AsyncIterator[SpooledLayer]:
    """Put a layer's blob aside, decompressed.

    The file lies in /var/tmp where there is one (/tmp is memory on many machines) and is gone with the
    context.

    Raises:
        TransferFailed: The blob is damaged, or the disk here is full.
    """
    with await asyncio.to_thread(temporary_file) as file:
        unpacker = _Unpacker(file)
        try:
            diff_id = await _unpack(unpacker, pieces)
        except OSError as error:
            raise spool_failed(error) from error
        yield SpooledLayer(file, diff_id, unpacker.size)


async def digest_layer(pieces: AsyncIterator[bytes]) -> tuple[str, int]:
    """The diffID of a layer's blob and the size of its tar in bytes; nothing is kept.

    Raises:
        TransferFailed: The blob is damaged.
    """
    unpacker = _Unpacker(None)
    diff_id = await _unpack(unpacker, pieces)
    return diff_id, unpacker.size


async def _unpack(unpacker: _Unpacker, pieces: AsyncIterator[bytes]) -> str:
    async for block in in_blocks(pieces, _PIECE):
        await asyncio.to_thread(unpacker.feed, block)
    return await asyncio.to_thread(unpacker.finish)


def spool_failed(error: OSError) -> TransferFailed:
    """What it means that a temporary file could not be written."""
    return TransferFailed(
        "a layer could not be put aside on this machine",
        cause=error.strerror,
        hint=f"free some space in {_folder() or tempfile.gettempdir()}, or set TMPDIR to a larger folder",
    )


def temporary_file() -> BinaryIO:
    """A nameless file, gone when it is closed."""
    return tempfile.TemporaryFile(dir=_folder())


def _folder() -> str | None:
    """Where to put it; None is the default, which TMPDIR decides."""
    large = Path("/var/tmp")  # noqa: S108  # for a file without a name
    return str(large) if "TMPDIR" not in os.environ and large.is_dir() else None
