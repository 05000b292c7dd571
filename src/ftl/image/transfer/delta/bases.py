"""Base layers of deltas: read from the local engine, or approximated by the server's index."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.dataclass import dataclass
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

    LayerSources = Callable[[Image, str], Awaitable[Sequence[LayerSource]]]
    FetchIndex = Callable[[CachedLayer], Coroutine[None, None, LayerIndex | None]]
    Prepare = Callable[[LayerStream], Awaitable[tuple[BaseLayer | None, LayerStream]]]


class DeltaBase:
    """A layer in the server's cache that a new layer is sent as a delta to."""

    def __init__(self, cached: CachedLayer, prepare: Prepare) -> None:
        self.cached = cached
        self._prepare = prepare

    async def prepare(self, layer: LayerStream) -> tuple[BaseLayer | None, LayerStream]:
        """Read the base layer, or an approximation.

        The new layer, which is returned unread, may be read for that. The base layer is None where it turns out not to
        be available.
        """
        return await self._prepare(layer)

    def whole_size(self, size: int) -> int:
        """Estimate the compressed size of a layer: it compresses like its base."""
        return self.cached.compressed_size * size // max(1, self.cached.size)


@dataclass(frozen=True, slots=True)
class DeltaBases:
    """Chooses and prepares the base layers of one transfer.

    Attributes:
        candidates: diffID of a new layer -> its base layer.
        speed: The link's speed in bytes a second, where it is known.
        round_trip: Its round trip, in seconds.
        can_describe: The server can make an index of a cached layer.
    """

    candidates: Mapping[str, BaseCandidate]
    layer_sources: LayerSources
    fetch_index: FetchIndex
    speed: float | None
    round_trip: float
    can_describe: bool

    @asynccontextmanager
    async def base_of(self, layer: LayerStream) -> AsyncIterator[DeltaBase | None]:
        """The base of a new layer, inside the context; None where the layer should be sent whole.

        The old image on this machine knows all bytes of the base layer, but the engine has to save it first. Where
        that takes too long, the server's index of the layer may still be quick enough.
        """
        candidate = self.candidates.get(layer.diff_id)
        if candidate is None:
            yield None
            return
        cached, image = candidate.cached, candidate.image
        async with AsyncExitStack() as files:
            if image is not None and self._pays_off(layer, cached, image.size / SAVE_SPEED):
                old = files.enter_context(await asyncio.to_thread(temporary_file))
                yield DeltaBase(cached, lambda new: self._read(image, cached.diff_id, new, old))
            elif self.can_describe and self._pays_off(layer, cached, index_seconds(cached, self.speed)):
                old = files.enter_context(await asyncio.to_thread(temporary_file))
                spool = files.enter_context(await asyncio.to_thread(temporary_file))
                yield DeltaBase(cached, lambda new: self._approximate(cached, new, old, spool))
            else:
                yield None

    def _pays_off(self, layer: LayerStream, cached: CachedLayer, preparing: float) -> bool:
        return delta_pays_off(layer.size, cached, self.speed, preparing, round_trip=self.round_trip)

    async def _read(
        self, image: Image, diff_id: str, layer: LayerStream, file: BinaryIO
    ) -> tuple[BaseLayer | None, LayerStream]:
        """Read the base layer out of a local image."""
        for source in await self.layer_sources(image, diff_id):
            try:
                async with aclosing(source.layers(frozenset({diff_id}), measure_all=False)) as layers:
                    async for old in layers:
                        members = await _spool(old, file)
                        return BaseLayer(file, old.size, {member.name: member for member in members}), layer
            except (SourceUnusable, FtlError, OSError):
                continue  # without another source for the base, or local disk space, the layer is sent whole
        return None, layer

    async def _approximate(
        self, cached: CachedLayer, layer: LayerStream, file: BinaryIO, spool: BinaryIO
    ) -> tuple[BaseLayer | None, LayerStream]:
        """Approximate the base layer by the server's index and the new layer, which is spooled for that."""
        try:
            index, members = await gather2(self.fetch_index(cached), _spool(layer, spool))
            layer = replace(layer, chunks=SpooledLayer(spool, layer.diff_id, layer.size).chunks())
            if index is None:
                return None, layer
            return await asyncio.to_thread(index.approximate, file, spool, members), layer
        except OSError as error:
            raise spool_failed(error) from error


async def _spool(layer: LayerStream, file: BinaryIO) -> list[MemberExtent]:
    """Write a layer to a file, and find its members."""
    scanner = MemberScanner()
    members: list[MemberExtent] = []

    def take(chunk: bytes) -> None:
        file.write(chunk)
        members.extend(scanner.feed(chunk))

    file.seek(0)
    async for chunk in layer.chunks:
        await asyncio.to_thread(take, chunk)
    await asyncio.to_thread(file.flush)
    return members
