"""Base layer that a new layer is compared with: its tar, and the positions of its members."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from ftl.image.transfer.delta.members import MemberExtent

GAP = 16 << 10
"""Ranges no further apart than this are joined."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A range of bytes of the base layer's tar."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset of the next byte."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class BaseLayer:
    """The tar of a base layer in a file, with the positions of its members.

    The `unknown` ranges, in order, are those whose bytes are not known here: nothing is compared with them.
    """

    file: BinaryIO
    size: int
    members: Mapping[bytes, MemberExtent]
    unknown: Sequence[ByteRange] = ()

    def member(self, name: bytes) -> MemberExtent | None:
        """The member of that name."""
        return self.members.get(name)

    def read(self, part: ByteRange) -> bytes:
        """The bytes of a range; empty unless all of them exist and are known. Blocking."""
        if self.clipped(part) != part or (self.unknown and self.known(part) != [part]):
            return b""
        self.file.seek(part.offset)
        return self.file.read(part.length)

    def clipped(self, part: ByteRange) -> ByteRange:
        """The part of a range that is inside the tar."""
        offset = min(max(0, part.offset), self.size)
        return ByteRange(offset, max(0, min(part.end, self.size) - offset))

    def known(self, part: ByteRange) -> list[ByteRange]:
        """The parts of a range that are known."""
        known: list[ByteRange] = []
        offset = part.offset
        first = bisect_right(self.unknown, part.offset, key=lambda hole: hole.end)
        for hole in islice(self.unknown, first, None):
            if hole.offset >= part.end:
                break
            if hole.offset > offset:
                known.append(ByteRange(offset, hole.offset - offset))
            offset = hole.end
        return [*known, ByteRange(offset, part.end - offset)] if offset < part.end else known


class JoinedRanges:
    """Ranges of a base layer; each that (nearly) touches the one before is joined with it."""

    def __init__(self) -> None:
        self._ranges: list[ByteRange] = []
        self.total = 0

    def add(self, part: ByteRange) -> None:
        """Append a range."""
        last = self._ranges[-1] if self._ranges else None
        if last is not None and last.offset <= part.offset <= last.end + GAP:
            joined = ByteRange(last.offset, max(last.end, part.end) - last.offset)
            self.total += joined.length - last.length
            self._ranges[-1] = joined
        elif part.length:
            self._ranges.append(part)
            self.total += part.length

    def take(self) -> Sequence[ByteRange]:
        """Remove and return all ranges."""
        ranges = tuple(self._ranges)
        self._ranges.clear()
        self.total = 0
        return ranges
