"""Encoder of a layer as a delta to a base layer.

It works on a window at a time, so that memory does not grow with the layer.

The members' names decide which parts of the base layer's tar the new one's are compared with, whatever was added
before them. What is the same is copied on the server; of a header with another time only the time is sent. The rest is
compressed by zstd with the parts that it was compared with before it (zstd's prefix, what `zstd --patch-from` uses): a
window's instructions are one frame, and the server needs those parts alone to decompress it.

Most of a layer is the same after most changes, so that little is left to compress, and a delta is made about as
fast as two tars can be read.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
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
"""Most bytes of instructions to compress at a time, with the bytes that they insert."""

MAX_PREFIX = 4 << 20
"""Most bytes of the base layer that they are compressed against."""

STRETCH = 16 << 20
"""Bytes of the new layer after which a window ends: the server works while we read on."""

_STEP = 64 << 10
"""Bytes of a content that are copied or sent as one."""

_MARGIN = 256 << 10
"""Bytes around a changed part to compress against: files grow, and new ones are like their neighbours."""

_CLOSE_MARGIN = 4 << 10
"""Bytes around a part that has changed in place, to compress against."""

_MIN_COPY = 32
"""Bytes that are not worth a copy."""

_LEVEL = 3

_MIN_PREFIX = 8
"""Bytes below which zstd takes no prefix."""

_DICTIONARY = (0xEC30A437).to_bytes(4, "little")
"""The magic number by which the zstd command takes a prefix for a dictionary (RFC 8878, 5), and not for content."""


@dataclass(frozen=True, slots=True)
class DeltaFrame:
    """A compressed window: a zstd frame, and the ranges of the base layer that are its prefix."""

    prefix: Sequence[ByteRange]
    content: bytes

    def encoded(self) -> bytes:
        """The frame after a line with its size and the ranges; see `remote/apply_delta.pl`."""
        ranges = "".join(f" {part.offset} {part.length}" for part in self.prefix)
        return f"{len(self.content)}{ranges}\n".encode() + self.content


@dataclass(frozen=True, slots=True)
class DeltaWindow:
    """Instructions to be compressed, by any thread."""

    instructions: bytes
    ranges: Sequence[ByteRange]
    prefix: bytes

    def compress(self) -> DeltaFrame:
        """Compress the window; blocking, several may run in parallel."""
        parameter = zstd.CompressionParameter
        length = len(self.prefix) + len(self.instructions)
        options: dict[int, int] = {
            parameter.compression_level: _LEVEL,
            parameter.window_log: max(10, length.bit_length()),
            parameter.enable_long_distance_matching: 1,
        }
        prefix = zstd.ZstdDict(self.prefix, is_raw=True).as_prefix if self.prefix else None
        compressor = zstd.ZstdCompressor(options=options, zstd_dict=prefix)
        return DeltaFrame(
            self.ranges, compressor.compress(self.instructions, zstd.ZstdCompressor.FLUSH_FRAME)
        )


class DeltaEncoder:
    """Incremental encoder: compares a new layer with a base layer; blocking, for a thread."""

    def __init__(self, base: BaseLayer) -> None:
        self._base = base
        self._scanner = MemberScanner()
        self._members: deque[MemberExtent] = deque()
        self._buffer = bytearray()
        self._position = 0
        self._new: MemberExtent | None = None
        self._old: MemberExtent | None = None
        self._instructions = Instructions()
        self._prefix = JoinedRanges()
        self._base_position = 0
        self._window_start = 0

    def feed(self, data: bytes) -> Iterator[DeltaWindow]:
        """Encode the next bytes of the new layer; yields the windows that they complete."""
        self._members.extend(self._scanner.feed(data))
        self._buffer += data
        while self._step():
            if self._is_full():
                yield self._cut()

    def finish(self) -> Iterator[DeltaWindow]:
        """Encode the rest of the new layer."""
        while self._buffer:
            self._put(self._take(min(len(self._buffer), _STEP)), None)
            if self._is_full():
                yield self._cut()
        if len(self._instructions):
            yield self._cut()

    def _step(self) -> bool:
        """Encode a header or a part of a content; False if the buffer does not hold enough."""
        if self._new is not None:
            return self._content(self._new, self._old)
        if self._members and self._members[0].content <= self._position + len(self._buffer):
            self._header(self._members.popleft())
            return True
        if self._scanner.is_over and not self._members and self._buffer:
            self._put(self._take(min(len(self._buffer), _STEP)), None)
            return True
        return False

    def _header(self, new: MemberExtent) -> None:
        header = self._take(new.content - self._position)
        old = self._base.member(new.name)
        part = ByteRange(old.start, max(0, old.content - old.start)) if old is not None else None
        old_header = self._base.read(part) if part is not None and part.length == len(header) else None
        if part is None or old_header is None:
            self._put(header, part)
        elif header == old_header:
            self._copy(part.offset, len(header))
        elif is_retimed(header, old_header):
            self._instructions.retime(part.offset, header)
            self._base_position = part.end
        else:
            self._put(header, part)
        if new.end > new.content:
            self._new, self._old = new, old

    def _content(self, new: MemberExtent, old: MemberExtent | None) -> bool:
        """Encode the next part of a member's content; False if the buffer is empty."""
        if not self._buffer:
            return False
        at = self._position - new.content
        part = self._take(min(len(self._buffer), _STEP, new.end - self._position))
        if self._position == new.end:
            self._new = self._old = None
        if old is None:
            self._put(part, None)
        elif old.size == new.size:
            self._compare(part, ByteRange(old.content + at, len(part)))
        else:
            self._put(part, self._around(old, at, len(part)))
        return True

    def _compare(self, part: bytes, old_range: ByteRange) -> None:
        """Encode a part that is expected to equal a range of the base layer: a member of the same size."""
        old = self._base.read(old_range)
        if part == old:
            self._copy(old_range.offset, len(part))
            return
        first = _common_prefix(part, old)
        last = (
            len(part) - _common_prefix(part[:first:-1], old[:first:-1])
            if len(old) == len(part)
            else len(part)
        )
        first = first if first >= _MIN_COPY else 0
        last = last if len(part) - last >= _MIN_COPY else len(part)
        if first:
            self._copy(old_range.offset, first)
        changed = ByteRange(old_range.offset + first - _CLOSE_MARGIN, last - first + 2 * _CLOSE_MARGIN)
        self._put(part[first:last], changed)
        if last < len(part):
            self._copy(old_range.offset + last, len(part) - last)

    @staticmethod
    def _around(old: MemberExtent, at: int, length: int) -> ByteRange:
        """The range of an old content at the position of a part of the new one, with margins."""
        first = max(old.content, min(old.content + at, old.end) - _MARGIN)
        return ByteRange(first, max(0, min(old.content + at + length + _MARGIN, old.end) - first))

    def _copy(self, offset: int, length: int) -> None:
        self._instructions.copy(offset, length)
        self._base_position = offset + length

    def _put(self, content: bytes, similar: ByteRange | None) -> None:
        """Insert bytes, compressed against a similar range; by default against what follows the last one."""
        self._instructions.put(content)
        if similar is None:
            similar = ByteRange(self._base_position - _MARGIN, len(content) + 2 * _MARGIN)
        part = self._base.clipped(similar)
        self._prefix.add(part)
        self._base_position = max(self._base_position, part.end - _MARGIN)

    def _take(self, count: int) -> bytes:
        with memoryview(self._buffer) as buffer:
            data = bytes(buffer[:count])
        del self._buffer[:count]
        self._position += count
        return data

    def _is_full(self) -> bool:
        largest_step = _STEP + 2 * _MARGIN + GAP
        return (
            len(self._instructions) >= WINDOW - largest_step
            or self._prefix.total >= MAX_PREFIX - largest_step
            or self._position - self._window_start >= STRETCH
        )

    def _cut(self) -> DeltaWindow:
        self._window_start = self._position
        ranges = [known for part in self._prefix.take() for known in self._base.known(part)]
        prefix = b"".join(map(self._base.read, ranges))
        if len(prefix) < _MIN_PREFIX or prefix.startswith(_DICTIONARY):
            ranges, prefix = [], b""
        return DeltaWindow(self._instructions.take(), ranges, prefix)


def _common_prefix(a: bytes, b: bytes) -> int:
    """The length of the common prefix of two byte strings."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
