"""Images that must travel: one archive, loaded under temporary tags, verified, and only then named."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.errors import TransferFailed
from ftl.events import Emit, Note
from ftl.image.transfer.archive.memory import return_freed_memory
from ftl.image.transfer.delivery.engine_api import Delivery, EngineApiDelivery
from ftl.image.transfer.delivery.frames import Pace
from ftl.image.transfer.delivery.refusals import load_failed
from ftl.image.transfer.delivery.script import ScriptDelivery
from ftl.image.transfer.delta.bases import DeltaBases
from ftl.image.transfer.delta.candidates import find_candidates
from ftl.image.transfer.delta.layer_index import fetch_layer_index
from ftl.image.transfer.disk_space import (
    LOAD_FACTOR,
    DiskFull,
    NotEnoughSpace,
    not_enough_space,
    reclaimable_space,
    space_estimate,
)
from ftl.image.transfer.link_speed import recall_speed, remember_speed
from ftl.image.transfer.pack import ArchivePacker
from ftl.image.transfer.presence import PresentLayers, estimated_sizes
from ftl.image.transfer.progress.meter import ImageProgress, Meter
from ftl.image.transfer.sources.oci_index import platform_matches
from ftl.image.transfer.sources.source import SourceUnusable
from ftl.image.transfer.staging import StagedImages, VerificationFailed, is_temporary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo, Image
    from ftl.image.transfer.delta.layer_index import LayerIndex
    from ftl.image.transfer.progress.result import TransferResult
    from ftl.image.transfer.remote.capabilities import CachedLayer, RemoteCapabilities
    from ftl.image.transfer.sources.local_engine import LocalEngine
    from ftl.image.transfer.sources.source import LayerSource, SourceImage
    from ftl.ssh.machine import Machine

_LOOKED_AT = 8
"""Images of the server that may have an old layer for a new one: the latest of the same service come first."""

_TELLING = 4 << 20
"""Bytes after which a transfer tells how fast the link is."""


@dataclass(frozen=True, slots=True)
class PendingImage:
    """An image to bring: its name there, its name here, and itself."""

    tag: str
    reference: str
    image: Image


@dataclass(frozen=True, slots=True)
class Destination:
    """The other end of a transfer.

    Attributes:
        engine: The engine there.
        info: What it says of itself.
        machine: The server, where it can be reached by commands too.
        depot: What it can do, and keeps.
        held: The layers that its images have.
        images: Its images, the likeliest to be like ours first.
    """

    engine: Engine
    info: EngineInfo
    machine: Machine | None
    depot: RemoteCapabilities
    held: PresentLayers
    images: Sequence[Image]

    @property
    def takes_parts(self) -> bool:
        """It makes the archive itself, of the parts it is told."""
        return self.machine is not None and self.depot.receives

    def as_if_empty(self) -> Destination:
        """The same as if there were nothing to build on."""
        return replace(self, depot=self.depot.without_kept(), held=PresentLayers(self.held.store), images=())


class Transfer:
    """One transfer of images that a server does not have.

    Args:
        here: The engine here.
        there: The other end.
        parcels: The images.
        emit: Told of the progress.
        began: When the transfer began, by `time.monotonic`.
        origin: The ways to get at the layers here.
        lock: The name of the lock that is held.
    """

    def __init__(
        self,
        here: Engine,
        there: Destination,
        parcels: Sequence[PendingImage],
        *,
        emit: Emit,
        began: float,
        origin: LocalEngine,
        lock: str = "",
    ) -> None:
        self._here = here
        self._there = there
        self._parcels = parcels
        self._emit = emit
        self._began = began
        self._origin = origin
        self._lock = lock
        self._pace = Pace(recall_speed(there.engine.name, there.depot.round_trip))
        self._sent = 0
        self._room = 0

    async def run(self) -> dict[str, TransferResult]:
        """Send what is lacking; if the engine there makes something else of it, send everything, once.

        Raises:
            TransferFailed: No name there has moved.
        """
        try:
            return await self._run()
        except NotEnoughSpace as error:
            depot = self._there.depot
            if isinstance(error, DiskFull) and depot.free is not None:
                error.cause = f"{error.cause}; {space_estimate(self._room, depot.free)}"
            kept = sum(layer.compressed for layer in depot.kept.values())
            error.hint = await reclaimable_space(self._there.engine, kept)
            raise

    async def _run(self) -> dict[str, TransferResult]:
        return_freed_memory()
        wanted = await self._wanted()
        try:
            return await self._by_any(wanted, self._there)
        except VerificationFailed as doubt:
            if not self._leaves_out(wanted):
                raise load_failed(self._there.engine.name, str(doubt)) from doubt
            self._emit(
                Note(
                    f"{self._there.engine.name} lacks layers that it seemed to have: sending the whole image",
                    level="warning",
                    hint=str(doubt),
                )
            )
        try:
            return await self._by_any(wanted, self._there.as_if_empty())
        except VerificationFailed as doubt:
            raise load_failed(self._there.engine.name, str(doubt)) from doubt

    async def _wanted(self) -> list[SourceImage]:
        platform = self._there.info.platform
        wanted = await self._origin.wanted({parcel.reference: parcel.image for parcel in self._parcels})
        if (await self._here.info()).store != "containerd":
            for parcel in self._parcels:
                if not platform_matches(parcel.image.platform, platform):
                    text = f"{parcel.tag} is for {parcel.image.platform}, {self._there.engine.name} is {platform}"
                    self._emit(Note(text, level="warning", hint="it runs there only where that is emulated"))
        return wanted

    def _leaves_out(self, wanted: Sequence[SourceImage]) -> bool:
        """Whether anything that the server has was not sent."""
        there = self._there
        return any(any(there.held.of(image.layers)) for image in wanted) or bool(there.depot.kept)

    async def _by_any(self, wanted: Sequence[SourceImage], there: Destination) -> dict[str, TransferResult]:
        """Send by the best source of layers that can serve."""
        needed = frozenset[str]().union(*(there.held.lacks(image.layers) for image in wanted))
        images = {parcel.reference: parcel.image for parcel in self._parcels}
        coming = needed - there.depot.kept.keys()
        reason = "none of the ways that may be used serves"
        for source in await self._origin.sources(images, wanted, coming):
            bases = await self._bases(there, at_hand=source.name == "files")
            try:
                return await self._attempt(source, wanted, needed, there, bases)
            except SourceUnusable as error:
                reason = str(error)
        raise TransferFailed("the images cannot be read from the engine on this machine", cause=reason)

    async def _bases(self, there: Destination, *, at_hand: bool) -> DeltaBases:
        """What is there already that new layers can be sent as differences to."""
        if not there.depot.bases():
            return DeltaBases({}, self._origin.old, self._describe, None)
        tags = [tag for image in there.images[:_LOOKED_AT] for tag in image.tags if not is_temporary(tag)]
        found = await gather_all(self._here.image(tag) for tag in tags)
        here = {tag: image for tag, image in zip(tags, found, strict=True) if image is not None}
        layers = {parcel.tag: parcel.image.layers for parcel in self._parcels}
        return DeltaBases(
            find_candidates(layers, there.images, here, there.depot.bases(), described=there.depot.describes),
            self._origin.old,
            self._describe,
            recall_speed(there.engine.name, there.depot.round_trip),
            at_hand=at_hand,
        )

    async def _describe(self, kept: CachedLayer) -> LayerIndex | None:
        machine = self._there.machine
        return await fetch_layer_index(machine, kept) if machine is not None else None

    async def _attempt(
        self,
        source: LayerSource,
        wanted: Sequence[SourceImage],
        needed: frozenset[str],
        there: Destination,
        bases: DeltaBases,
    ) -> dict[str, TransferResult]:
        incoming = StagedImages(there.engine, len(wanted), self._lock)
        accounts = await self._accounts(wanted, there)
        meter = Meter(accounts, self._emit, sent=self._sent, in_step=there.takes_parts)
        images = dict(zip(incoming.tags, wanted, strict=True))
        packing = ArchivePacker(
            source,
            images,
            needed,
            [there.depot.kept[layer] for layer in sorted(needed & there.depot.kept.keys())],
            meter,
            free=there.depot.free,
            server=there.engine.name,
            store=there.info.store,
        )
        meter.start()
        try:
            async with aclosing(packing.parts()) as parts:
                await self._door(there, bases, meter).deliver(parts)
            await incoming.verify(packing.ids(), {tag: image.layers for tag, image in images.items()})
            await incoming.settle(
                {
                    temporary: parcel.tag
                    for temporary, parcel in zip(incoming.tags, self._parcels, strict=True)
                }
            )
        finally:
            self._sent = meter.sent
            remember_speed(there.engine.name, self._pace.speed(_TELLING), there.depot.round_trip)
            await incoming.discard()
        return meter.finish(time.monotonic() - self._began)

    def _door(self, there: Destination, bases: DeltaBases, meter: Meter) -> Delivery:
        if there.machine is not None and there.takes_parts:
            return ScriptDelivery(there.machine, there.depot, bases, self._pace, meter)
        return EngineApiDelivery(there.engine, there.info, meter)

    async def _accounts(self, wanted: Sequence[SourceImage], there: Destination) -> list[ImageProgress]:
        steps = await gather_all(self._here.layer_sizes(parcel.image.id) for parcel in self._parcels)
        accounts: list[ImageProgress] = []
        held, free, self._room = there.held, there.depot.free, 0
        for parcel, image, of_steps in zip(self._parcels, wanted, steps, strict=True):
            sizes = estimated_sizes(image.layers, of_steps)
            needed = held.lacks(image.layers)
            held = held.adding([image.layers])
            kept = needed & there.depot.kept.keys()
            expected = sum(sizes[layer] for layer in needed - kept)
            accounts.append(ImageProgress(parcel.tag, len(image.layers), needed, expected, kept))
            room = LOAD_FACTOR * sum(sizes[layer] for layer in needed)
            self._room += room
            # Only a whole image's size is known before its layers pass.
            if free is not None and needed >= set(image.layers) and room > free:
                raise not_enough_space(there.engine.name, room, free)
        return accounts
