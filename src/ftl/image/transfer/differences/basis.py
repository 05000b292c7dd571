"""Old layers that new ones are sent as differences to: which, whether it pays, and their bytes here."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.image.transfer.differences.delta import Basis
from ftl.image.transfer.differences.members import Members
from ftl.image.transfer.sources.choosing import SAVE_SPEED
from ftl.image.transfer.sources.source import Unfit
from ftl.image.transfer.spool import temporary
from ftl.references import repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from ftl.engine import Image
    from ftl.image.transfer.differences.members import Extent
    from ftl.image.transfer.doors.depot import Kept
    from ftl.image.transfer.sources.source import Layer, Source

    Open = Callable[[Image, str], Awaitable[Sequence[Source]]]

LEAST = 64 << 10
"""Bytes of a layer below which it is sent as it is: it is there before an old one is unpacked."""

_UNKNOWN_SPEED = 12.5e6
"""What a link is taken to carry, in bytes a second, before anything has gone over it: 100 Mbit/s."""

_COMPRESSED = 3.5
_COMPRESS = 300e6
_DELTA = 40.0
_WINDOWS = 200e6
_UNPACK = 400e6
_BEGIN = 0.15
_SHARE = 1.5
"""Whole layers: 3.5 times smaller, at 300 MB a second on two cores. As a difference: 40 times, at 200 MB a second
with both ends, once the old layer is unpacked at 400 and the first window is made. A difference may take half as long
again: it leaves the link to others. Measured by `python -m bench.transfer`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An old layer for a new one.

    Attributes:
        kept: The old one, as the server keeps it.
        image: An image here that has it.
    """

    kept: Kept
    image: Image


def candidates(
    images: Mapping[str, Sequence[str]],
    there: Sequence[Image],
    here: Mapping[str, Image],
    kept: Mapping[str, Kept],
) -> dict[str, Candidate]:
    """The old layer for each new one for which there is any.

    It is the layer in the latest image of the same service that stands nearest to the new one's place, of those
    that the new image has no more: a changed step makes another layer at the same place. Where the server keeps none
    of those, an earlier image may do.

    Args:
        images: The tag to set -> the diffIDs of the image, lowest first.
        there: The server's images, the likeliest first.
        here: Images on this machine, by those tags that the server has too.
        kept: The layers that the server keeps.
    """
    found: dict[str, Candidate] = {}
    for tag, layers in images.items():
        for old in _earlier(tag, there, here):
            gone = [place for place, layer in enumerate(old.layers) if layer not in layers]
            usable = [place for place in gone if old.layers[place] in kept]
            for place, layer in enumerate(layers):
                if usable and layer not in old.layers:
                    nearest = min(usable, key=lambda other: abs(other - place))
                    found.setdefault(layer, Candidate(kept[old.layers[nearest]], old))
            if usable or not gone:
                break
    return found


def _earlier(tag: str, there: Sequence[Image], here: Mapping[str, Image]) -> Iterator[Image]:
    """The images of the same service that are there and here, the likeliest first."""
    for image in there:
        for name in image.tags:
            ours = here.get(name)
            if ours is not None and repository(name) == repository(tag) and ours.layers == image.layers:
                yield ours


def pays(size: int, kept: Kept, speed: float | None, preparing: float = 0.0) -> bool:
    """Whether a layer arrives sooner as a difference.

    Args:
        size: The new layer's, in bytes.
        kept: The old layer.
        speed: The link's, in bytes a second.
        preparing: Seconds until the old layer's bytes are at hand here.
    """
    if size < LEAST:
        return False
    link = speed or _UNKNOWN_SPEED
    whole = max(size / _COMPRESS, size / _COMPRESSED / link)
    delta = preparing + _BEGIN + kept.size / _UNPACK + max(size / _WINDOWS, size / _DELTA / link)
    return delta <= whole * _SHARE


class Old:
    """An old layer to be compressed against."""

    def __init__(self, kept: Kept, make: Callable[[], Awaitable[Basis | None]]) -> None:
        self.kept = kept
        self._make = make

    async def basis(self) -> Basis | None:
        """Its bytes, here; None where they cannot be had after all."""
        return await self._make()

    def instead(self, size: int) -> int:
        """About what a layer of that size would take if it went whole: as much as the old one."""
        return self.kept.compressed * size // max(1, self.kept.size)


class Bases:
    """The old layers of one transfer.

    Args:
        candidates: diffID of a new layer -> the old one.
        sources: Ways to the layers of an image here, the best first.
        speed: The link's, in bytes a second, where it is known.
        at_hand: The engine's files can be read; otherwise it has to save the old image, all of it.
    """

    def __init__(
        self,
        candidates: Mapping[str, Candidate],
        sources: Open,
        speed: float | None,
        *,
        at_hand: bool = True,
    ) -> None:
        self._candidates = candidates
        self._sources = sources
        self._speed = speed
        self._at_hand = at_hand

    @asynccontextmanager
    async def to(self, layer: Layer) -> AsyncIterator[Old | None]:
        """The old layer for a new one, while that is sent; None where it goes whole."""
        candidate = self._candidates.get(layer.diff_id)
        if candidate is None or not self._pays(layer, candidate):
            yield None
            return
        with await asyncio.to_thread(temporary) as file:

            async def make() -> Basis | None:
                return await self._read(candidate, file)

            yield Old(candidate.kept, make)

    def _pays(self, layer: Layer, candidate: Candidate) -> bool:
        preparing = 0.0 if self._at_hand else candidate.image.size / SAVE_SPEED
        return pays(layer.size, candidate.kept, self._speed, preparing)

    async def _read(self, candidate: Candidate, file: BinaryIO) -> Basis | None:
        wanted = candidate.kept.diff_id
        for source in await self._sources(candidate.image, wanted):
            try:
                async with aclosing(source.layers(frozenset({wanted}), measure=False)) as layers:
                    async for layer in layers:
                        return await _indexed(layer, file)
            except (Unfit, FtlError):
                continue  # the layer goes whole, if no other source has the old one
        return None


async def _indexed(layer: Layer, file: BinaryIO) -> Basis:
    """Put an old layer into a file, and find its members."""
    reader = Members()
    extents: dict[bytes, Extent] = {}

    def take(piece: bytes) -> None:
        file.write(piece)
        for extent in reader.feed(piece):
            extents[extent.name] = extent

    file.seek(0)
    async for piece in layer.pieces:
        await asyncio.to_thread(take, piece)
    await asyncio.to_thread(file.flush)
    return Basis(file, layer.size, extents)
