"""Streams that the scripts on a server read: layers whole, as deltas, and tar archives."""

from __future__ import annotations

import io
import random
import struct
import sys
import tarfile
from typing import TYPE_CHECKING

from ftl.image.transfer.delta.base_layer import ByteRange
from ftl.image.transfer.delta.encoder import DeltaFrame
from tests.unit.image.transfer.server_home import name

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd
if TYPE_CHECKING:
    from collections.abc import Sequence

LAYER = random.Random(1).randbytes(300_000) + b"x" * 50_000


OLD = random.Random(2).randbytes(200_000)


def line(text: str) -> bytes:
    """A line of the script's input."""
    return f"{text}\n".encode()


def raw(content: bytes) -> bytes:
    """Bytes of the archive, unchanged."""
    return line(f"raw {len(content)}") + content


def whole(content: bytes, *, size: int = 100_000) -> bytes:
    """A layer in frames of `size` bytes of content."""
    frames = [zstd.compress(content[at : at + size]) for at in range(0, len(content), size)]
    sent = b"".join(line(str(len(each))) + each for each in frames)
    return line(f"whole {name(content)}") + sent + line("0")


def delta(content: bytes, old: bytes, window: int = 100_000) -> bytes:
    """A layer in windows, each compressed against two ranges of the base layer at other offsets."""
    sent = b""
    for at in range(0, len(content), window):
        ranges = [ByteRange(at // 7, min(len(old) - at // 7, 120_000)), ByteRange(0, 10)] if at else []
        sent += frame(literal(content[at : at + window]), old, ranges)
    return line(f"delta {name(content)}") + sent + line("0")


def frame(instructions: bytes, old: bytes, ranges: Sequence[ByteRange] = ()) -> bytes:
    """Instructions in the form in which they are sent, compressed against ranges of the base layer."""
    prefix = b"".join(old[part.offset : part.end] for part in ranges)
    compressor = zstd.ZstdCompressor(
        zstd_dict=zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None
    )
    content = compressor.compress(instructions, zstd.ZstdCompressor.FLUSH_FRAME)
    return DeltaFrame(ranges, content).encoded()


def tarball(*files: tuple[str, bytes]) -> bytes:
    """A layer of these files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path, content in files:
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def literal(content: bytes) -> bytes:
    """The instruction to insert these bytes."""
    return struct.pack("<cL", b"L", len(content)) + content
