"""A layer as the difference to another one: a window at a time, so that memory does not grow with the layer.

Each window of the new layer is compressed by zstd with one range of the old layer's tar before it (zstd's prefix, what
`zstd --patch-from` uses), and the other side needs that range alone to read it. Which range that is the members' names
tell: the files that a window holds lie together in the old layer too, whatever was added before them.

A layer of 275 MB of Python packages, two of them added and every time new: 2.24 MB in windows of 2 MB, and 2.32 MB with
the whole old layer as the prefix, which takes 2.5 times the layer in memory on both sides; this takes 15 MB.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.image.transfer.differences.members import Extent, Members

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WINDOW = 2 << 20
"""Bytes of the new layer that are compressed at a time."""

REACH = 4 << 20
"""Bytes of the old layer that a window can be compressed against."""

_MARGIN = 256 << 10
"""What is taken beside the range that the names tell: files grow, and new ones are like their neighbours."""

_GAP = 64 << 10
"""Ranges no further apart than this count as one."""

_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of the old layer's tar."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One window: a zstd frame that is read with a range of the old layer before it."""

    basis: Range
    content: bytes
    size: int


class Basis:
    """An old layer: its tar in a file, and where its members lie.

    Args:
        file: The tar, to read from.
        size: Its length in bytes.
        members: By name.
    """

    def __init__(self, file: BinaryIO, size: int, members: Mapping[bytes, Extent]) -> None:
        self._file = file
        self._members = members
        self._size = size
        self._cursor = 0

    def find(self, start: int, end: int, extents: Iterable[Extent]) -> Range:
        """The range that is most like the window from `start` to `end`, which holds (parts of) these members.

        Windows are asked for in order: one without a name that is known goes on where the one before it ended.
        """
        pairs = ((extent, self._members.get(extent.name)) for extent in extents)
        alike = sorted(_part(new, old, start, end) for new, old in pairs if old is not None)
        runs = _runs(alike)
        first, last = (
            max(runs, key=lambda run: run[1] - run[0]) if runs else (self._cursor, self._cursor + WINDOW)
        )
        first = max(0, first - _MARGIN)
        last = min(self._size, last + _MARGIN, first + REACH)
        self._cursor = last
        return Range(first, max(0, last - first))

    def read(self, part: Range) -> bytes:
        """The bytes of a range; blocking."""
        self._file.seek(part.offset)
        return self._file.read(part.length)


def _part(new: Extent, old: Extent, start: int, end: int) -> tuple[int, int]:
    """The part of an old member that stands where the window stands in the new one."""
    first = old.start + max(0, start - new.start)
    return min(first, old.end), min(old.end, old.start + end - new.start)


def _runs(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Parts in order, joined where they (nearly) touch."""
    runs: list[tuple[int, int]] = []
    for first, last in parts:
        if runs and first - runs[-1][1] <= _GAP:
            runs[-1] = (runs[-1][0], max(runs[-1][1], last))
        elif last > first:
            runs.append((first, last))
    return runs


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of the new layer and the range to compress it against, ready for a thread."""

    content: bytes
    basis: Range
    prefix: bytes

    def frame(self) -> Frame:
        """Compress it; blocking, several may run side by side."""
        parameter = zstd.CompressionParameter
        spanned = len(self.prefix) + len(self.content)
        options: dict[int, int] = {
            parameter.compression_level: _LEVEL,
            parameter.window_log: max(10, spanned.bit_length()),
            parameter.enable_long_distance_matching: 1,
        }
        prefix = zstd.ZstdDict(self.prefix, is_raw=True).as_prefix if self.basis.length else None
        compressor = zstd.ZstdCompressor(options=options, zstd_dict=prefix)
        content = compressor.compress(self.content, zstd.ZstdCompressor.FLUSH_FRAME)
        return Frame(self.basis, content, len(self.content))


class Windows:
    """Cuts the new layer into windows as its bytes pass; blocking, for a thread.

    Args:
        basis: The old layer.
    """

    def __init__(self, basis: Basis) -> None:
        self._basis = basis
        self._members = Members()
        self._known: deque[Extent] = deque()
        self._gathered = bytearray()
        self._passed = 0

    def feed(self, data: bytes) -> list[Window]:
        """The windows that are whole with these bytes."""
        self._known.extend(self._members.feed(data))
        self._gathered += data
        found: list[Window] = []
        while len(self._gathered) >= WINDOW:
            found.append(self._cut(WINDOW))
        return found

    def finish(self) -> list[Window]:
        """The rest."""
        return [self._cut(len(self._gathered))] if self._gathered else []

    def _cut(self, size: int) -> Window:
        content = bytes(self._gathered[:size])
        del self._gathered[:size]
        start, end = self._passed, self._passed + size
        self._passed = end
        while self._known and self._known[0].end <= start:
            self._known.popleft()
        inside = [extent for extent in self._known if extent.start < end]
        part = self._basis.find(start, end, inside)
        if part.length < _LEAST:
            part = Range(0, 0)
        return Window(content, part, self._basis.read(part) if part.length else b"")


_LEAST = 8
"""Bytes below which zstd takes no prefix."""
