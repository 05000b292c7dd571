"""An old layer that is not on this machine: a tar that is like it, of what its server tells and the new layer shows.

The server tells all of the old layer but the contents of its files, and of each of these its head and a sum of the
rest. A file of the new layer with the same name, size and sum gives the rest. (In the head Python's compiled files have
the time of their source, which is another one after each build.) With what stays unknown nothing is compared. So a
machine that never had the old layer (another developer's, CI) sends differences to it all the same. A sum that lies
costs time alone: the engine there digests what is put together, and everything goes whole.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.errors import ServerError
from ftl.image.transfer.archive.tar import BLOCK_SIZE
from ftl.image.transfer.delta.base_layer import BaseLayer, ByteRange
from ftl.image.transfer.delta.members import EXTENSIONS, MemberExtent, MemberScanner, kind_and_size
from ftl.image.transfer.remote.scripts import DESCRIBE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from ftl.image.transfer.remote.capabilities import CachedLayer
    from ftl.ssh.machine import Machine

_SECONDS = 120.0
_LIMIT = 24 << 20
"""Bytes of a description, which is kept in memory: that of an ordinary layer, of 12,000 members, has 7 MB."""

HEAD = 16
"""Bytes of a content that are told as they are."""

_END = b"ftl-end"
_WORD = 8
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class LayerIndex:
    """What is known of an old layer.

    Attributes:
        size: Of its tar, in bytes.
        told: The description.
        known: What of it are bytes of the tar: from where to where in the description, and where they lie in the tar.
        members: Its members by name, each with the sum of its content but the head.
        holes: What is not known: of each content what follows its head.
    """

    size: int
    told: bytes
    known: tuple[tuple[int, int, int], ...]
    members: dict[bytes, tuple[MemberExtent, int]]
    holes: tuple[ByteRange, ...]

    def basis(self, file: BinaryIO, new: BinaryIO, extents: Iterable[MemberExtent]) -> BaseLayer:
        """A tar that is like the old one; blocking.

        Args:
            file: Takes it.
            new: The new layer's tar.
            extents: Where the new one's members lie.
        """
        file.truncate(self.size)
        told = memoryview(self.told)
        for start, end, offset in self.known:
            file.seek(offset)
            file.write(told[start:end])
        holes = {hole.offset: hole for hole in self.holes}
        for extent in extents:
            if old := self._take(file, new, extent):
                holes.pop(old.content + HEAD, None)
        file.flush()
        members = {name: old for name, (old, _) in self.members.items()}
        return BaseLayer(file, self.size, members, tuple(holes.values()))

    def _take(self, file: BinaryIO, new: BinaryIO, extent: MemberExtent) -> MemberExtent | None:
        """Put the content of a member of the new layer where the old one has it, if that has the same: there."""
        old, told = self.members.get(extent.name, (None, 0))
        if old is None or old.size != extent.size or checksum(new, extent) != told:
            return None
        new.seek(extent.content + HEAD)
        file.seek(old.content + HEAD)
        for count in _counts(extent.size):
            file.write(new.read(count))
        return old


async def fetch_layer_index(machine: Machine, kept: CachedLayer) -> LayerIndex | None:
    """What a server tells of a layer that it keeps; None where it does not, or nothing that can be understood."""
    try:
        done = await machine.run(["sh", "-c", DESCRIBE, "sh", kept.name], timeout=_SECONDS)
    except ServerError:
        return None
    return await asyncio.to_thread(parse_layer_index, done.stdout, kept.size)


def parse_layer_index(answer: bytes, size: int) -> LayerIndex | None:
    """Understand what DESCRIBE said of a layer whose tar has so many bytes; blocking."""
    try:
        told = zstd.ZstdDecompressor().decompress(answer, _LIMIT)
    except zstd.ZstdError:
        return None
    if not told.endswith(_END):
        return None
    reader, at, position = MemberScanner(), 0, 0
    known: list[tuple[int, int, int]] = []
    members: dict[bytes, tuple[MemberExtent, int]] = {}
    holes: list[ByteRange] = []

    def take(count: int) -> bytes:
        nonlocal at, position
        known.append((at, at + count, position))
        at, position = at + count, position + count
        return told[at - count : at]

    while at + BLOCK_SIZE <= len(told) - len(_END):
        header = take(BLOCK_SIZE)
        found = reader.feed(header)
        kind, length = kind_and_size(header)
        body = (length or 0) + -(length or 0) % BLOCK_SIZE
        if body and kind in EXTENSIONS:
            reader.feed(take(body))
            continue
        total = 0
        if body:
            head = take(min(length or 0, HEAD))
            if (length or 0) > HEAD:
                holes.append(ByteRange(position, (length or 0) - HEAD))
            position += body - len(head)
            reader.pass_over(body)
            total = int.from_bytes(told[at : at + _WORD], "little")
            at += _WORD
        members |= {extent.name: (extent, total) for extent in found}
    return LayerIndex(size, told, tuple(known), members, tuple(holes)) if position <= size else None


def checksum(tar: BinaryIO, extent: MemberExtent) -> int:
    """The sum of a member's content but the head, as DESCRIBE reckons it; blocking."""
    tar.seek(extent.content + HEAD)
    total = 0
    for count in _counts(extent.size):
        piece = tar.read(count)
        total += sum(memoryview(piece + bytes(-len(piece) % _WORD)).cast("Q"))
    return total % (1 << 64)


def _counts(size: int) -> Iterable[int]:
    """The bytes of a content after its head, in pieces."""
    return (min(_PIECE, size - at) for at in range(HEAD, size, _PIECE))
