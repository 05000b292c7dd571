"""The bytes of old layers that new ones are sent as differences to."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.errors import FtlError
from ftl.image.transfer.archive.spool import SpooledLayer, spool_failed, temporary_file
from ftl.image.transfer.delta.base_layer import BaseLayer
from ftl.image.transfer.delta.candidates import delta_pays_off, index_seconds
from ftl.image.transfer.delta.members import MemberScanner
from ftl.image.transfer.sources.selection import SAVE_SPEED
from ftl.image.transfer.sources.source import SourceUnusable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
    from typing import BinaryIO

    from ftl.engine.values import Image
    from ftl.image.transfer.delta.candidates import BaseCandidate
    from ftl.image.transfer.delta.layer_index import LayerIndex
    from ftl.image.transfer.delta.members import MemberExtent
    from ftl.image.transfer.remote.capabilities import CachedLayer
    from ftl.image.transfer.sources.source import LayerSource, LayerStream

    Open = Callable[[Image, str], Awaitable[Sequence[LayerSource]]]
    Describe = Callable[[CachedLayer], Coroutine[None, None, LayerIndex | None]]
    Prepare = Callable[[LayerStream], Awaitable[tuple[BaseLayer | None, LayerStream]]]


class DeltaBase:
    """An old layer to be compressed against."""

    def __init__(self, kept: CachedLayer, prepare: Prepare) -> None:
        self.kept = kept
        self._prepare = prepare

    async def prepare(self, layer: LayerStream) -> tuple[BaseLayer | None, LayerStream]:
        """Get its bytes, or such as are like them.

        Args:
            layer: The new layer, which may be read for that.

        Returns:
            The basis, None where it cannot be had after all; and the new layer, to be read from its beginning.
        """
        return await self._prepare(layer)

    def instead(self, size: int) -> int:
        """About what a layer of that size would take if it went whole: as much as the old one."""
        return self.kept.compressed * size // max(1, self.kept.size)


class DeltaBases:
    """The old layers of one transfer.

    Args:
        candidates: diffID of a new layer -> the old one.
        sources: Ways to the layers of an image here, the best first.
        describe: Asks what a layer is like that only the server has.
        speed: The link's, in bytes a second, where it is known.
        at_hand: The engine's files can be read; otherwise it has to save the old image, all of it.
    """

    def __init__(
        self,
        candidates: Mapping[str, BaseCandidate],
        sources: Open,
        describe: Describe,
        speed: float | None,
        *,
        at_hand: bool = True,
    ) -> None:
        self._candidates = candidates
        self._sources = sources
        self._describe = describe
        self._speed = speed
        self._at_hand = at_hand

    @asynccontextmanager
    async def to(self, layer: LayerStream) -> AsyncIterator[DeltaBase | None]:
        """The old layer for a new one, while that is sent; None where it goes whole."""
        candidate = self._candidates.get(layer.diff_id)
        if candidate is None or not self._pays(layer, candidate):
            yield None
            return
        kept, image = candidate.kept, candidate.image
        async with AsyncExitStack() as files:
            old = files.enter_context(await asyncio.to_thread(temporary_file))
            if image is None:
                new = files.enter_context(await asyncio.to_thread(temporary_file))
                yield DeltaBase(kept, lambda read: self._imagine(kept, read, old, new))
            else:
                yield DeltaBase(kept, lambda read: self._read(image, kept.diff_id, read, old))

    def _pays(self, layer: LayerStream, candidate: BaseCandidate) -> bool:
        kept = candidate.kept
        if candidate.image is None:
            preparing = index_seconds(kept, self._speed)
        else:
            preparing = 0.0 if self._at_hand else candidate.image.size / SAVE_SPEED
        return delta_pays_off(layer.size, kept, self._speed, preparing)

    async def _read(
        self, image: Image, diff_id: str, layer: LayerStream, file: BinaryIO
    ) -> tuple[BaseLayer | None, LayerStream]:
        """The old layer, out of an image here."""
        for source in await self._sources(image, diff_id):
            try:
                async with aclosing(source.layers(frozenset({diff_id}), measure=False)) as layers:
                    async for old in layers:
                        members = await _put(old, file)
                        return BaseLayer(file, old.size, {extent.name: extent for extent in members}), layer
            except (SourceUnusable, FtlError, OSError):
                continue  # the layer goes whole, if no other source has the old one, or it finds no room here
        return None, layer

    async def _imagine(
        self, kept: CachedLayer, layer: LayerStream, old: BinaryIO, new: BinaryIO
    ) -> tuple[BaseLayer | None, LayerStream]:
        """What is like the old layer, by what its server says of it and the new one, which is put aside for that."""
        try:
            ledger, members = await gather2(self._describe(kept), _put(layer, new))
            layer = replace(layer, pieces=SpooledLayer(new, layer.diff_id, layer.size).pieces())
            if ledger is None:
                return None, layer
            return await asyncio.to_thread(ledger.basis, old, new, members), layer
        except OSError as error:
            raise spool_failed(error) from error


async def _put(layer: LayerStream, file: BinaryIO) -> list[MemberExtent]:
    """Put a layer into a file, and find its members."""
    reader = MemberScanner()
    found: list[MemberExtent] = []

    def take(piece: bytes) -> None:
        file.write(piece)
        found.extend(reader.feed(piece))

    file.seek(0)
    async for piece in layer.pieces:
        await asyncio.to_thread(take, piece)
    await asyncio.to_thread(file.flush)
    return found
