"""An old layer that a new one is compared with: its bytes, where its members lie, and parts of it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from ftl.image.transfer.delta.members import MemberExtent

GAP = 16 << 10
"""Parts no further apart than this count as one."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes of the old layer's tar."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """Where the next byte is."""
        return self.offset + self.length


class BaseLayer:
    """An old layer: its tar in a file, and where its members lie.

    Args:
        file: The tar, to read from.
        size: Its length in bytes.
        members: By name.
        unknown: What of it is not known here, in its order: nothing is compared with that.
    """

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        members: Mapping[bytes, MemberExtent],
        unknown: Sequence[ByteRange] = (),
    ) -> None:
        self._file = file
        self._members = members
        self._size = size
        self._unknown = unknown

    def member(self, name: bytes) -> MemberExtent | None:
        """The member of that name."""
        return self._members.get(name)

    def read(self, part: ByteRange) -> bytes:
        """The bytes of a range; none where not all of them are there and known. Blocking."""
        if self.within(part) != part or (self._unknown and self.known(part) != [part]):
            return b""
        self._file.seek(part.offset)
        return self._file.read(part.length)

    def within(self, part: ByteRange) -> ByteRange:
        """What of a range is in the tar."""
        offset = min(max(0, part.offset), self._size)
        return ByteRange(offset, max(0, min(part.end, self._size) - offset))

    def known(self, part: ByteRange) -> list[ByteRange]:
        """What of a range is known."""
        found: list[ByteRange] = []
        offset = part.offset
        first = bisect_right(self._unknown, part.offset, key=lambda one: one.end)
        for hole in islice(self._unknown, first, None):
            if hole.offset >= part.end:
                break
            if hole.offset > offset:
                found.append(ByteRange(offset, hole.offset - offset))
            offset = hole.end
        return [*found, ByteRange(offset, part.end - offset)] if offset < part.end else found


class JoinedRanges:
    """Parts of an old layer, joined where they (nearly) touch the one before."""

    def __init__(self) -> None:
        self._parts: list[ByteRange] = []
        self.total = 0

    def add(self, part: ByteRange) -> None:
        """One more."""
        last = self._parts[-1] if self._parts else None
        if last is not None and last.offset <= part.offset <= last.end + GAP:
            joined = ByteRange(last.offset, max(last.end, part.end) - last.offset)
            self.total += joined.length - last.length
            self._parts[-1] = joined
        elif part.length:
            self._parts.append(part)
            self.total += part.length

    def take(self) -> Sequence[ByteRange]:
        """All of them; what follows begins anew."""
        parts = tuple(self._parts)
        self._parts.clear()
        self.total = 0
        return parts
