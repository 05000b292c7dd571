"""How a piece of a new layer is made of an old one: instructions, which `doors/perl.py` carries out on the server.

All numbers are little endian. A place in the old layer is told as the distance (8 bytes, signed) from where the last
instruction ended there, the first one from its beginning: so nearly all of them are zero, and compress to nothing.

    C DISTANCE LENGTH     these bytes of the old layer (4 bytes for the length)
    H DISTANCE TIME       the old header there with another time: the 12 bytes of its field, and the sum that follows
    L LENGTH BYTES        these bytes (4 bytes for the length)
"""

from __future__ import annotations

import struct

from ftl.image.transfer.archive.tar import BLOCK_SIZE

MAX_COPY = (1 << 32) - 1
"""The longest copy."""

_TIME = slice(136, 148)
_SUM = slice(148, 156)
_COPY = struct.Struct("<cqL")
_HEADER = struct.Struct("<cq12s")
_LITERAL = struct.Struct("<cL")


class Instructions:
    """Gathers instructions, in the order of the new layer's bytes."""

    def __init__(self) -> None:
        self._made = bytearray()
        self._place = 0
        self._distance = 0
        self._copied = 0

    def __len__(self) -> int:
        return len(self._made)

    def copy(self, offset: int, length: int) -> None:
        """Bytes of the old layer; copies of what lies together become one."""
        if self._copied and offset == self._place and self._copied + length <= MAX_COPY:
            self._copied += length
            _COPY.pack_into(self._made, len(self._made) - _COPY.size, b"C", self._distance, self._copied)
        else:
            self._distance, self._copied = offset - self._place, length
            self._made += _COPY.pack(b"C", self._distance, length)
        self._place = offset + length

    def retime(self, offset: int, header: bytes) -> None:
        """The header at a place of the old layer with the time of this one; see `is_retimed`."""
        self._made += _HEADER.pack(b"H", offset - self._place, header[_TIME])
        self._place, self._copied = offset + BLOCK_SIZE, 0

    def put(self, content: bytes) -> None:
        """Bytes that are not in the old layer."""
        self._made += _LITERAL.pack(b"L", len(content))
        self._made += content
        self._copied = 0

    def take(self) -> bytes:
        """All of them; what follows begins anew."""
        made = bytes(self._made)
        self._made.clear()
        self._place = self._copied = 0
        return made


def is_retimed(new: bytes, old: bytes) -> bool:
    """Whether a header is the old one but for its time, and its sum is written as everybody does."""
    if (
        len(new) != BLOCK_SIZE
        or new[: _TIME.start] != old[: _TIME.start]
        or new[_SUM.stop :] != old[_SUM.stop :]
    ):
        return False
    total = sum(new[: _SUM.start]) + sum(new[_SUM.stop :]) + 8 * ord(" ")
    return new[_SUM] == b"%06o\0 " % total
