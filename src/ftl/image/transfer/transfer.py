"""A transfer of images: one archive, loaded under staging tags, verified, and then tagged."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.errors import TransferFailed
from ftl.events import Emit, Note
from ftl.image.transfer.archive.blocks import return_freed_memory
from ftl.image.transfer.delivery.delivery import Delivery, load_failed
from ftl.image.transfer.delivery.engine_api import EngineApiDelivery
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
from ftl.image.transfer.link_speed import LinkSpeed, recall_speed, remember_speed, shortest_round_trip
from ftl.image.transfer.pack import ArchivePacker
from ftl.image.transfer.presence import estimated_sizes
from ftl.image.transfer.progress.meter import ImageProgress, Meter
from ftl.image.transfer.sources.oci_index import platform_matches
from ftl.image.transfer.sources.source import SourceUnusable
from ftl.image.transfer.staging import StagedImages, VerificationFailed, is_temporary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image
    from ftl.image.transfer.delivery.digest_feed import DigestFeed
    from ftl.image.transfer.delta.layer_index import LayerIndex
    from ftl.image.transfer.destination import Destination, PendingImage
    from ftl.image.transfer.progress.result import TransferResult
    from ftl.image.transfer.relay import Relay
    from ftl.image.transfer.remote.capabilities import CachedLayer
    from ftl.image.transfer.sources.local_engine import LocalEngine
    from ftl.image.transfer.sources.source import LayerSource, SourceImage

_BASE_IMAGES = 8
"""Images of the server that may have the base of a delta: the latest of the same service come first."""

_SPEED_BYTES = 4 << 20
"""Bytes after which a transfer knows the link's speed."""


class Transfer:
    """One transfer of images that a server does not have.

    `began` is by `time.monotonic`; the relay passes the first attempt's archive on to other servers.
    """

    def __init__(
        self,
        engine: Engine,
        destination: Destination,
        pending: Sequence[PendingImage],
        *,
        emit: Emit,
        began: float,
        local_engine: LocalEngine,
        lock: str = "",
        relay: Relay | None = None,
    ) -> None:
        self._relay = relay
        self._engine = engine
        self._destination = destination
        self._pending = pending
        self._emit = emit
        self._began = began
        self._local_engine = local_engine
        self._lock = lock
        self._server = destination.engine.name
        fastest = min(destination.capabilities.round_trip, destination.engine.fastest_answer)
        self._round_trip = shortest_round_trip(self._server, fastest)
        self._speed = recall_speed(self._server, self._round_trip)
        self._pace = LinkSpeed(self._speed)
        self._sent = 0
        self._space_needed = 0

    async def run(self) -> dict[str, TransferResult]:
        """Send missing layers; if the loaded images differ from those sent, send everything, once.

        Raises:
            TransferFailed: No tag on the server has moved.
        """
        try:
            return await self._run()
        except NotEnoughSpace as error:
            capabilities = self._destination.capabilities
            if isinstance(error, DiskFull) and capabilities.free_for_images is not None:
                estimate = space_estimate(self._space_needed, capabilities.free_for_images)
                error.cause = f"{error.cause}; {estimate}"
            cached = sum(layer.compressed_size for layer in capabilities.cached.values())
            error.hint = await reclaimable_space(self._destination.engine, cached)
            raise

    async def _run(self) -> dict[str, TransferResult]:
        return_freed_memory()
        images = await self._source_images()
        try:
            return await self._send(images, self._destination)
        except VerificationFailed as error:
            if not self._relies_on_server(images):
                raise load_failed(self._server, str(error)) from error
            text = f"{self._server} lacks layers that it seemed to have: sending the whole image"
            self._emit(Note(text, level="warning", hint=str(error)))
        try:
            return await self._send(images, self._destination.as_if_empty())
        except VerificationFailed as error:
            raise load_failed(self._server, str(error)) from error

    async def _source_images(self) -> list[SourceImage]:
        images = await self._local_engine.source_images(self._images_by_reference())
        if (await self._engine.info()).store != "containerd":
            platform = self._destination.info.platform
            for pending in self._pending:
                if not platform_matches(pending.image.platform, platform):
                    text = f"{pending.tag} is for {pending.image.platform}, {self._server} is {platform}"
                    self._emit(Note(text, level="warning", hint="it runs there only under emulation"))
        return images

    def _images_by_reference(self) -> dict[str, Image]:
        return {pending.reference: pending.image for pending in self._pending}

    def _relies_on_server(self, images: Sequence[SourceImage]) -> bool:
        """Whether any layer was not sent because the server seemed to have it."""
        destination = self._destination
        is_present = any(any(destination.present.of(image.layers)) for image in images)
        return is_present or bool(destination.capabilities.cached)

    async def _send(
        self, images: Sequence[SourceImage], destination: Destination
    ) -> dict[str, TransferResult]:
        """Send the images from the fastest source of layers that works."""
        needed = frozenset[str]().union(*(destination.present.missing(image.layers) for image in images))
        to_read = needed - destination.capabilities.cached.keys()
        bases = await self._delta_bases(destination)
        reason = "none of the allowed ways to send it works"
        for source in await self._local_engine.sources(self._images_by_reference(), images, to_read):
            try:
                return await self._send_from(source, images, needed, destination, bases)
            except SourceUnusable as error:
                reason = str(error)
        raise TransferFailed(
            f"the images cannot be read from the engine on {self._engine.name}", cause=reason
        )

    async def _delta_bases(self, destination: Destination) -> DeltaBases:
        """Find the base layers in the server's cache that new layers can be sent as deltas to."""
        capabilities = destination.capabilities
        cached = capabilities.delta_bases()
        remote_images = destination.images if cached else ()
        tags = [tag for image in remote_images[:_BASE_IMAGES] for tag in image.tags if not is_temporary(tag)]
        inspected = await gather_all(self._engine.image(tag) for tag in tags)
        local_images = {tag: image for tag, image in zip(tags, inspected, strict=True) if image is not None}
        layers = {pending.tag: pending.image.layers for pending in self._pending}
        can_describe = capabilities.can_describe
        return DeltaBases(
            find_candidates(layers, remote_images, local_images, cached, can_describe=can_describe),
            self._local_engine.layer_sources,
            self._fetch_index,
            self._speed,
            round_trip=self._round_trip,
            can_describe=can_describe,
        )

    async def _fetch_index(self, cached: CachedLayer) -> LayerIndex | None:
        machine = self._destination.machine
        return await fetch_layer_index(machine, cached) if machine is not None else None

    async def _send_from(
        self,
        source: LayerSource,
        images: Sequence[SourceImage],
        needed: frozenset[str],
        destination: Destination,
        bases: DeltaBases,
    ) -> dict[str, TransferResult]:
        relay, self._relay = self._relay, None
        staged = StagedImages(destination.engine, len(images), destination.info.now, self._lock)
        progress = await self._image_progress(images, destination)
        meter = Meter(progress, self._emit, sent=self._sent, exact_layers=destination.makes_archive)
        images_by_tag = dict(zip(staged.tags, images, strict=True))
        cached = destination.capabilities.cached
        stores = (destination.info.store, *(relay.stores if relay is not None else ()))
        packer = ArchivePacker(
            source,
            images_by_tag,
            needed,
            [cached[layer] for layer in sorted(needed & cached.keys())],
            meter,
            free=destination.capabilities.free_for_images,
            server=self._server,
            measure_all="containerd" in stores,
        )
        meter.start()
        try:
            async with aclosing(packer.parts()) as parts:
                delivery = self._delivery(destination, bases, meter, await relay.begin() if relay else None)
                await delivery.deliver(parts)
            contents = {store: packer.expected_ids(store) for store in stores}
            layers = {tag: image.layers for tag, image in images_by_tag.items()}
            names = {
                staging: pending.tag for staging, pending in zip(staged.tags, self._pending, strict=True)
            }
            verifying = [staged.verify_and_publish(contents[destination.info.store], layers, names)]
            if relay is not None:
                verifying.append(relay.verify_and_publish(staged, contents, layers, names))
            await gather_all(verifying)
        finally:
            self._sent = meter.sent
            remember_speed(self._server, self._pace.speed(_SPEED_BYTES), self._round_trip)
            await staged.discard()
        return meter.finish(time.monotonic() - self._began)

    def _delivery(
        self, destination: Destination, bases: DeltaBases, meter: Meter, feed: DigestFeed | None
    ) -> Delivery:
        if destination.machine is not None and destination.makes_archive:
            limit = destination.capabilities.cache_limit
            return ScriptDelivery(destination.machine, limit, bases, self._pace, meter, feed=feed)
        return EngineApiDelivery(destination.engine, destination.info, meter)

    async def _image_progress(
        self, images: Sequence[SourceImage], destination: Destination
    ) -> list[ImageProgress]:
        """The progress of each image at its beginning; fails early if a whole image does not fit on the disk."""
        step_sizes = await gather_all(self._engine.layer_sizes(pending.image.id) for pending in self._pending)
        progress: list[ImageProgress] = []
        present, free = destination.present, destination.capabilities.free_for_images
        self._space_needed = 0
        for pending, image, steps in zip(self._pending, images, step_sizes, strict=True):
            sizes = estimated_sizes(image.layers, steps)
            needed = present.missing(image.layers)
            present = present.with_images([image.layers])
            cached = needed & destination.capabilities.cached.keys()
            expected = sum(sizes[layer] for layer in needed - cached)
            progress.append(ImageProgress(pending.tag, len(image.layers), needed, expected, cached))
            space = LOAD_FACTOR * sum(sizes[layer] for layer in needed)
            self._space_needed += space
            # Only a whole image's size is known before its layers are read.
            if free is not None and needed >= set(image.layers) and space > free:
                raise not_enough_space(self._server, space, free)
        return progress
