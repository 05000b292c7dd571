"""An old layer that is not on this machine: a tar that is like it, of what its server tells and the new layer shows.

The server tells all of the old layer but the contents of its files, and a sum of each of these. A file of the new layer
with the same name, size and sum gives the content. What is unknown then is filled with noise, in which nothing is found
that is alike. So a machine that never had the old layer (another developer's, CI) sends differences to it all the same.
A sum that lies costs time alone: the engine there digests what is put together, and everything goes whole.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.errors import ServerError
from ftl.image.transfer.differences.delta import Basis
from ftl.image.transfer.differences.members import EXTENSIONS, Extent, Members, kind_and_size
from ftl.image.transfer.doors.scripts import DESCRIBE
from ftl.image.transfer.tar import BLOCK

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from ftl.image.transfer.doors.depot import Kept
    from ftl.ssh import Machine

_SECONDS = 120.0
_LIMIT = 64 << 20
"""Bytes of a description: that of an ordinary layer, of 12,000 members, has 6 MB and travels as 0.5."""

_END = b"ftl-end"
_WORD = 8
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of an old layer.

    Attributes:
        size: Of its tar, in bytes.
        known: Where bytes of it lie that are told: headers.
        members: Its members by name, each with the sum of its content.
    """

    size: int
    known: tuple[tuple[int, bytes], ...]
    members: dict[bytes, tuple[Extent, int]]

    def basis(self, file: BinaryIO, new: BinaryIO, extents: Iterable[Extent]) -> Basis:
        """A tar that is like the old one; blocking.

        Args:
            file: Takes it.
            new: The new layer's tar.
            extents: Where the new one's members lie.
        """
        file.truncate(self.size)
        for offset, content in self.known:
            file.seek(offset)
            file.write(content)
        found = {extent.name for extent in extents if self._take(file, new, extent)}
        for old, _ in self.members.values():
            if old.size and old.name not in found:
                _fill(file, old)
        file.flush()
        return Basis(file, self.size, {name: old for name, (old, _) in self.members.items()})

    def _take(self, file: BinaryIO, new: BinaryIO, extent: Extent) -> bool:
        """Put the content of a member of the new layer where the old one has it, if that has the same."""
        old, told = self.members.get(extent.name, (None, 0))
        if old is None or old.size != extent.size or checksum(new, extent) != told:
            return False
        new.seek(extent.content)
        file.seek(old.content)
        for count in _counts(extent.size):
            file.write(new.read(count))
        return True


async def ask(machine: Machine, kept: Kept) -> Ledger | None:
    """What a server tells of a layer that it keeps; None where it does not, or nothing that can be understood."""
    try:
        done = await machine.run(["sh", "-c", DESCRIBE, "sh", kept.name], timeout=_SECONDS)
    except ServerError:
        return None
    return await asyncio.to_thread(read, done.stdout, kept.size)


def read(answer: bytes, size: int) -> Ledger | None:
    """Understand what DESCRIBE said of a layer whose tar has so many bytes; blocking."""
    try:
        told = zstd.ZstdDecompressor().decompress(answer, _LIMIT)
    except zstd.ZstdError:
        return None
    if not told.endswith(_END):
        return None
    reader, at, position = Members(), 0, 0
    known: list[tuple[int, bytes]] = []
    members: dict[bytes, tuple[Extent, int]] = {}
    while at + BLOCK <= len(told) - len(_END):
        header = told[at : at + BLOCK]
        at += BLOCK
        found = reader.feed(header)
        known.append((position, header))
        position += BLOCK
        kind, length = kind_and_size(header)
        if not length:
            members |= {extent.name: (extent, 0) for extent in found}
            continue
        body = length + -length % BLOCK
        if kind in EXTENSIONS:
            reader.feed(told[at : at + body])
            known.append((position, told[at : at + body]))
            at += body
        else:
            told_sum = int.from_bytes(told[at : at + _WORD], "little")
            members |= {extent.name: (extent, told_sum) for extent in found}
            reader.pass_over(body)
            at += _WORD
        position += body
    return Ledger(size, tuple(known), members) if position <= size else None


def checksum(tar: BinaryIO, extent: Extent) -> int:
    """The sum of a member's content as DESCRIBE reckons it; blocking."""
    tar.seek(extent.content)
    total = 0
    for count in _counts(extent.size):
        piece = tar.read(count)
        total += sum(memoryview(piece + bytes(-len(piece) % _WORD)).cast("Q"))
    return total % (1 << 64)


def _counts(size: int) -> Iterable[int]:
    """So many bytes in pieces."""
    return (min(_PIECE, size - at) for at in range(0, size, _PIECE))


def _fill(file: BinaryIO, old: Extent) -> None:
    file.seek(old.content)
    for count in _counts(old.size):
        file.write(os.urandom(count))
