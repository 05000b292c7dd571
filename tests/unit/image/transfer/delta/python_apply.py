"""Reference implementation of `remote/apply_delta.pl`, in Python."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

from ftl.image.transfer.delta.encoder import MAX_PREFIX, WINDOW

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.image.transfer.delta.encoder import DeltaFrame


def apply_delta(frames: Sequence[DeltaFrame], base: bytes) -> bytes:
    """The layer that frames make of a base layer."""
    layer = b""
    for frame in frames:
        assert sum(part.length for part in frame.prefix) <= MAX_PREFIX
        prefix = b"".join(base[part.offset : part.end] for part in frame.prefix)
        assert len(prefix) == sum(part.length for part in frame.prefix)
        dictionary = zstd.ZstdDict(prefix, is_raw=True) if prefix else None
        instructions = zstd.decompress(frame.content, zstd_dict=dictionary)
        assert len(instructions) <= WINDOW
        layer += execute(instructions, base)
    return layer


def execute(instructions: bytes, base: bytes) -> bytes:
    """The bytes that instructions make."""
    made, at, offset = b"", 0, 0
    while at < len(instructions):
        kind = instructions[at : at + 1]
        if kind == b"L":
            (length,) = struct.unpack_from("<L", instructions, at + 1)
            made += instructions[at + 5 : at + 5 + length]
            at += 5 + length
            continue
        (distance,) = struct.unpack_from("<q", instructions, at + 1)
        offset += distance
        if kind == b"C":
            (length,) = struct.unpack_from("<L", instructions, at + 9)
            assert offset + length <= len(base)
            made += base[offset : offset + length]
            offset, at = offset + length, at + 13
        else:
            assert kind == b"H"
            header = bytearray(base[offset : offset + 512])
            header[136:148] = instructions[at + 9 : at + 21]
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            made += header
            offset, at = offset + 512, at + 21
    return made
