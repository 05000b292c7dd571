"""The other side of a difference, in Python: what the server makes of frames and of its old layer."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

from ftl.image.transfer.delta.delta import REACH, WINDOW

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.image.transfer.delta.delta import DeltaFrame


def made_of(made: Sequence[DeltaFrame], old: bytes) -> bytes:
    """What the other side makes of it."""
    read = b""
    for each in made:
        assert sum(part.length for part in each.basis) <= REACH
        prefix = b"".join(old[part.offset : part.end] for part in each.basis)
        assert len(prefix) == sum(part.length for part in each.basis)
        known = zstd.ZstdDict(prefix, is_raw=True) if prefix else None
        instructions = zstd.decompress(each.content, zstd_dict=known)
        assert len(instructions) <= WINDOW
        read += followed(instructions, old)
    return read


def followed(instructions: bytes, old: bytes) -> bytes:
    """The bytes that instructions make."""
    made, at, place = b"", 0, 0
    while at < len(instructions):
        kind = instructions[at : at + 1]
        if kind == b"L":
            (length,) = struct.unpack_from("<L", instructions, at + 1)
            made += instructions[at + 5 : at + 5 + length]
            at += 5 + length
            continue
        (distance,) = struct.unpack_from("<q", instructions, at + 1)
        place += distance
        if kind == b"C":
            (length,) = struct.unpack_from("<L", instructions, at + 9)
            assert place + length <= len(old)
            made += old[place : place + length]
            place, at = place + length, at + 13
        else:
            assert kind == b"H"
            header = bytearray(old[place : place + 512])
            header[136:148] = instructions[at + 9 : at + 21]
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            made += header
            place, at = place + 512, at + 21
    return made
