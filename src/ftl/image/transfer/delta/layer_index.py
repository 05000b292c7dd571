"""Index of a layer that only the server has, and the approximation of its tar.

The index is all of the layer's tar but the contents of its files, and of each of these the first bytes and a sum of the
rest. A file of the new layer with the same name, size and sum supplies the rest. (In the first bytes Python's compiled
files have the time of their source, which is another one after each build.) What stays unknown is not compared. So a
machine that never had the base layer (another developer's, CI) can send deltas to it all the same. A wrong sum costs
time alone: the server's engine verifies the digest of the result, and then everything is sent whole.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from ftl.common.programs import shell
from ftl.dataclass import dataclass
from ftl.errors import ServerError
from ftl.image.transfer.archive.tar import BLOCK_SIZE
from ftl.image.transfer.delta.base_layer import BaseLayer, ByteRange
from ftl.image.transfer.delta.members import EXTENSIONS, MemberExtent, MemberScanner, kind_and_size
from ftl.image.transfer.remote.scripts import DESCRIBE, INDEX_TAR

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
"""Most bytes of an index, which is kept in memory: that of an ordinary layer, of 12,000 members, has 7 MB."""

HEAD = 16
"""Bytes of a file's content that are in the index as they are."""

_END = b"ftl-end"
_WORD = 8
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class LayerIndex:
    """Index of a layer's tar.

    Attributes:
        size: Size of the tar, in bytes.
        known: Parts of the index that are bytes of the tar: start and end in the index, offset in the tar.
        members: The tar's members by name, each with the sum of its content after the head.
        holes: What the index does not contain: the rest of each content after its head.
    """

    size: int
    content: bytes
    known: tuple[tuple[int, int, int], ...]
    members: dict[bytes, tuple[MemberExtent, int]]
    holes: tuple[ByteRange, ...]

    def approximate(self, file: BinaryIO, new: BinaryIO, new_members: Iterable[MemberExtent]) -> BaseLayer:
        """Approximate the layer's tar by this index and the new layer's files; blocking.

        It is written to `file`.
        """
        file.truncate(self.size)
        content = memoryview(self.content)
        for start, end, offset in self.known:
            file.seek(offset)
            file.write(content[start:end])
        holes = {hole.offset: hole for hole in self.holes}
        for member in new_members:
            if old := self._copy_content(file, new, member):
                holes.pop(old.content + HEAD, None)
        file.flush()
        members = {name: old for name, (old, _) in self.members.items()}
        return BaseLayer(file, self.size, members, tuple(holes.values()))

    def _copy_content(self, file: BinaryIO, new: BinaryIO, member: MemberExtent) -> MemberExtent | None:
        """Copy a new member's content to the old member of the same name, if that has the same; the old member."""
        old, old_sum = self.members.get(member.name, (None, 0))
        if old is None or old.size != member.size or checksum(new, member) != old_sum:
            return None
        new.seek(member.content + HEAD)
        file.seek(old.content + HEAD)
        for count in _chunk_sizes(member.size):
            file.write(new.read(count))
        return old


async def fetch_layer_index(machine: Machine, cached: CachedLayer) -> LayerIndex | None:
    """Fetch the index of a cached layer; None where that fails or the index is invalid."""
    try:
        done = await machine.run(shell(DESCRIBE, "sh", cached.name, INDEX_TAR), timeout=_SECONDS)
    except ServerError:
        return None
    return await asyncio.to_thread(parse_layer_index, done.stdout, cached.size)


def parse_layer_index(compressed: bytes, size: int) -> LayerIndex | None:
    """Parse the index of a layer whose tar has that size; None if it is invalid. Blocking."""
    try:
        content = zstd.ZstdDecompressor().decompress(compressed, _LIMIT)
    except zstd.ZstdError:
        return None
    if not content.endswith(_END):
        return None
    scanner, at, offset = MemberScanner(), 0, 0
    known: list[tuple[int, int, int]] = []
    members: dict[bytes, tuple[MemberExtent, int]] = {}
    holes: list[ByteRange] = []

    def take(count: int) -> bytes:
        nonlocal at, offset
        known.append((at, at + count, offset))
        at, offset = at + count, offset + count
        return content[at - count : at]

    while at + BLOCK_SIZE <= len(content) - len(_END):
        header = take(BLOCK_SIZE)
        extents = scanner.feed(header)
        kind, length = kind_and_size(header)
        body = (length or 0) + -(length or 0) % BLOCK_SIZE
        if body and kind in EXTENSIONS:
            scanner.feed(take(body))
            continue
        total = 0
        if body:
            head = take(min(length or 0, HEAD))
            if (length or 0) > HEAD:
                holes.append(ByteRange(offset, (length or 0) - HEAD))
            offset += body - len(head)
            scanner.skip(body)
            total = int.from_bytes(content[at : at + _WORD], "little")
            at += _WORD
        members |= {extent.name: (extent, total) for extent in extents}
    return LayerIndex(size, content, tuple(known), members, tuple(holes)) if offset <= size else None


def checksum(tar: BinaryIO, member: MemberExtent) -> int:
    """The sum of a content after the head, as `remote/index_tar.pl` computes it; blocking."""
    tar.seek(member.content + HEAD)
    total = 0
    for count in _chunk_sizes(member.size):
        chunk = tar.read(count)
        total += sum(memoryview(chunk + bytes(-len(chunk) % _WORD)).cast("Q"))
    return total % (1 << 64)


def _chunk_sizes(size: int) -> Iterable[int]:
    """Sizes of the chunks of a content after its head."""
    return (min(_CHUNK, size - at) for at in range(HEAD, size, _CHUNK))
