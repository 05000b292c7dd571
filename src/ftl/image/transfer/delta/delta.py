"""A layer as the difference to another one: a window at a time, so that memory does not grow with the layer.

The members' names tell which parts of the old layer's tar the new one's are to be compared with, whatever was added
before them. What is the same is copied there; of a header with another time the time alone travels. What is left is
compressed by zstd with the parts that it was compared with before it (zstd's prefix, what `zstd --patch-from` uses): a
window's instructions are one frame, and the other side needs those parts alone to read it.

Most of a layer is the same after most changes, so that little is left to compress, and a difference is made about as
fast as two tars can be read.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.image.transfer.delta.base_layer import GAP, BaseLayer, ByteRange, JoinedRanges
from ftl.image.transfer.delta.instructions import Instructions, is_retimed
from ftl.image.transfer.delta.members import MemberExtent, MemberScanner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WINDOW = 2 << 20
"""Bytes of instructions, with all that they bring, that are compressed at a time."""

REACH = 4 << 20
"""Bytes of the old layer that they are compressed against."""

STRETCH = 16 << 20
"""Bytes of the new layer after which a window ends: so the other side has work while this one reads on."""

_STEP = 64 << 10
"""Bytes of a content that are copied or sent as one."""

_MARGIN = 256 << 10
"""What is taken beside a part that has changed: files grow, and new ones are like their neighbours."""

_NEAR = 4 << 10
"""The same beside what has changed in place."""

_SHORT = 32
"""Bytes that are not worth a copy."""

_LEVEL = 3


@dataclass(frozen=True, slots=True)
class DeltaFrame:
    """One window: a zstd frame of instructions that is read with ranges of the old layer before it."""

    basis: Sequence[ByteRange]
    content: bytes


@dataclass(frozen=True, slots=True)
class DeltaWindow:
    """Instructions, and what to compress them against, ready for a thread."""

    instructions: bytes
    basis: Sequence[ByteRange]
    prefix: bytes

    def frame(self) -> DeltaFrame:
        """Compress it; blocking, several may run side by side."""
        parameter = zstd.CompressionParameter
        spanned = len(self.prefix) + len(self.instructions)
        options: dict[int, int] = {
            parameter.compression_level: _LEVEL,
            parameter.window_log: max(10, spanned.bit_length()),
            parameter.enable_long_distance_matching: 1,
        }
        prefix = zstd.ZstdDict(self.prefix, is_raw=True).as_prefix if self.prefix else None
        compressor = zstd.ZstdCompressor(options=options, zstd_dict=prefix)
        return DeltaFrame(self.basis, compressor.compress(self.instructions, zstd.ZstdCompressor.FLUSH_FRAME))


class DeltaEncoder:
    """Compares a new layer with an old one as its bytes pass; blocking, for a thread.

    Args:
        basis: The old layer.
    """

    def __init__(self, basis: BaseLayer) -> None:
        self._basis = basis
        self._members = MemberScanner()
        self._known: deque[MemberExtent] = deque()
        self._gathered = bytearray()
        self._passed = 0
        self._new: MemberExtent | None = None
        self._old: MemberExtent | None = None
        self._made = Instructions()
        self._like = JoinedRanges()
        self._cursor = 0
        self._begun = 0

    def feed(self, data: bytes) -> Iterator[DeltaWindow]:
        """The windows that are whole with these bytes, one after the other."""
        self._known.extend(self._members.feed(data))
        self._gathered += data
        while self._step():
            if self._is_full():
                yield self._cut()

    def finish(self) -> Iterator[DeltaWindow]:
        """The rest."""
        while self._gathered:
            self._put(self._take(min(len(self._gathered), _STEP)), None)
            if self._is_full():
                yield self._cut()
        if len(self._made):
            yield self._cut()

    def _step(self) -> bool:
        """Go on by a header or a piece of content; False: there is not enough of it yet."""
        if self._new is not None:
            return self._content(self._new, self._old)
        if self._known and self._known[0].content <= self._passed + len(self._gathered):
            self._header(self._known.popleft())
            return True
        if self._members.over and not self._known and self._gathered:
            self._put(self._take(min(len(self._gathered), _STEP)), None)
            return True
        return False

    def _header(self, new: MemberExtent) -> None:
        header = self._take(new.content - self._passed)
        old = self._basis.member(new.name)
        part = ByteRange(old.start, max(0, old.content - old.start)) if old is not None else None
        before = self._basis.read(part) if part is not None and part.length == len(header) else None
        if part is None or before is None:
            self._put(header, part)
        elif header == before:
            self._copy(part.offset, len(header))
        elif is_retimed(header, before):
            self._made.retime(part.offset, header)
            self._cursor = part.end
        else:
            self._put(header, part)
        if new.end > new.content:
            self._new, self._old = new, old

    def _content(self, new: MemberExtent, old: MemberExtent | None) -> bool:
        """The next piece of a member's content: as it was, or as much of it as has changed."""
        if not self._gathered:
            return False
        at = self._passed - new.content
        piece = self._take(min(len(self._gathered), _STEP, new.end - self._passed))
        if self._passed == new.end:
            self._new = self._old = None
        if old is None:
            self._put(piece, None)
        elif old.size == new.size:
            self._compare(piece, ByteRange(old.content + at, len(piece)))
        else:
            self._put(piece, self._around(old, at, len(piece)))
        return True

    def _compare(self, piece: bytes, part: ByteRange) -> None:
        """A piece that should stand at the same place of a member of the same size."""
        before = self._basis.read(part)
        if piece == before:
            self._copy(part.offset, len(piece))
            return
        first = _alike(piece, before)
        last = (
            len(piece) - _alike(piece[:first:-1], before[:first:-1])
            if len(before) == len(piece)
            else len(piece)
        )
        first = first if first >= _SHORT else 0
        last = last if len(piece) - last >= _SHORT else len(piece)
        if first:
            self._copy(part.offset, first)
        self._put(piece[first:last], ByteRange(part.offset + first - _NEAR, last - first + 2 * _NEAR))
        if last < len(piece):
            self._copy(part.offset + last, len(piece) - last)

    @staticmethod
    def _around(old: MemberExtent, at: int, length: int) -> ByteRange:
        """The part of an old content that stands where a piece stands in the new one, and some more."""
        first = max(old.content, min(old.content + at, old.end) - _MARGIN)
        return ByteRange(first, max(0, min(old.content + at + length + _MARGIN, old.end) - first))

    def _copy(self, offset: int, length: int) -> None:
        self._made.copy(offset, length)
        self._cursor = offset + length

    def _put(self, content: bytes, like: ByteRange | None) -> None:
        """Bytes that travel. Those that are like nothing we know go on where the ones before them ended."""
        self._made.put(content)
        if like is None:
            like = ByteRange(self._cursor - _MARGIN, len(content) + 2 * _MARGIN)
        part = self._basis.within(like)
        self._like.add(part)
        self._cursor = max(self._cursor, part.end - _MARGIN)

    def _take(self, count: int) -> bytes:
        with memoryview(self._gathered) as gathered:
            taken = bytes(gathered[:count])
        del self._gathered[:count]
        self._passed += count
        return taken

    def _is_full(self) -> bool:
        most = _STEP + 2 * _MARGIN + GAP
        return (
            len(self._made) >= WINDOW - most
            or self._like.total >= REACH - most
            or self._passed - self._begun >= STRETCH
        )

    def _cut(self) -> DeltaWindow:
        self._begun = self._passed
        parts = [known for part in self._like.take() for known in self._basis.known(part)]
        prefix = b"".join(map(self._basis.read, parts))
        if len(prefix) < _LEAST or prefix.startswith(_DICTIONARY):
            parts, prefix = [], b""
        return DeltaWindow(self._made.take(), parts, prefix)


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes are the same at the beginning of both."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


_LEAST = 8
"""Bytes below which zstd takes no prefix."""

_DICTIONARY = (0xEC30A437).to_bytes(4, "little")
"""What begins with it, the zstd command takes for a dictionary (RFC 8878, 5), and not for bytes as they are."""
