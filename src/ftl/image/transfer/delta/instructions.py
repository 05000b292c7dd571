"""Instructions that make a part of a new layer of a base layer.

`remote/apply_delta.pl` executes them on the server.

All numbers are little endian. A position in the base layer is given as the distance (8 bytes, signed) from where the
last instruction ended there, the first one from its beginning: so nearly all of them are zero, and compress to nothing.

    C DISTANCE LENGTH     these bytes of the base layer (4 bytes for the length)
    H DISTANCE TIME       the header there with another time: the 12 bytes of its field, and the checksum that follows
    L LENGTH BYTES        these bytes (4 bytes for the length)
"""

from __future__ import annotations

import struct

from ftl.image.transfer.archive.tar import BLOCK_SIZE

MAX_COPY = (1 << 32) - 1
"""The longest copy."""

_TIME = slice(136, 148)
_CHECKSUM = slice(148, 156)
_COPY = struct.Struct("<cqL")
_HEADER = struct.Struct("<cq12s")
_LITERAL = struct.Struct("<cL")


class Instructions:
    """Buffer of encoded instructions, in the order of the new layer's bytes."""

    def __init__(self) -> None:
        self._encoded = bytearray()
        self._position = 0
        self._distance = 0
        self._copied = 0

    def __len__(self) -> int:
        return len(self._encoded)

    def copy(self, offset: int, length: int) -> None:
        """Copy bytes of the base layer; adjacent copies become one."""
        if self._copied and offset == self._position and self._copied + length <= MAX_COPY:
            self._copied += length
            _COPY.pack_into(
                self._encoded, len(self._encoded) - _COPY.size, b"C", self._distance, self._copied
            )
        else:
            self._distance, self._copied = offset - self._position, length
            self._encoded += _COPY.pack(b"C", self._distance, length)
        self._position = offset + length

    def retime(self, offset: int, header: bytes) -> None:
        """Copy a header of the base layer, with the time of this header; see `is_retimed`."""
        self._encoded += _HEADER.pack(b"H", offset - self._position, header[_TIME])
        self._position, self._copied = offset + BLOCK_SIZE, 0

    def put(self, content: bytes) -> None:
        """Insert bytes that are not in the base layer."""
        self._encoded += _LITERAL.pack(b"L", len(content))
        self._encoded += content
        self._copied = 0

    def take(self) -> bytes:
        """Remove and return all instructions."""
        encoded = bytes(self._encoded)
        self._encoded.clear()
        self._position = self._copied = 0
        return encoded


def is_retimed(new: bytes, old: bytes) -> bool:
    """Whether a header differs from the old one by its time, and has the usual checksum."""
    if len(new) != BLOCK_SIZE:
        return False
    if new[: _TIME.start] != old[: _TIME.start] or new[_CHECKSUM.stop :] != old[_CHECKSUM.stop :]:
        return False
    total = sum(new[: _CHECKSUM.start]) + sum(new[_CHECKSUM.stop :]) + 8 * ord(" ")
    return new[_CHECKSUM] == b"%06o\0 " % total
