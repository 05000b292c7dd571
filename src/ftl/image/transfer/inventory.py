"""Inventory of a server before images are sent to it: its images and capabilities."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather2, gather_all
from ftl.common.next_step import ftl
from ftl.common.references import repository
from ftl.dataclass import dataclass
from ftl.errors import EngineError, TransferFailed
from ftl.events import Emit, TransferStarted
from ftl.image.transfer.destination import Destination, PendingImage
from ftl.image.transfer.presence import inspect_images, is_same_image, present_layers, rank_by_likelihood
from ftl.image.transfer.progress.result import TransferResult, report_finished
from ftl.image.transfer.remote.capabilities import RemoteCapabilities, probe_server
from ftl.image.transfer.staging import remove_stale, stale_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo, Image
    from ftl.ssh.machine import Machine

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class TargetServer:
    """A server that images are sent to, as the caller knows it.

    Attributes:
        machine: None where no commands can be run there.
        free_bytes: Free disk space where the engine keeps its images, where there is no machine to ask.
    """

    engine: Engine
    info: EngineInfo
    machine: Machine | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The images that a server has, of those to send, and those that it lacks.

    Attributes:
        local: The tag to set there -> the image on this machine.
        results: Tag -> result, of images that it had: they have their tags.
        lock: The name of the server lock that the caller holds.
        began: When the transfer began, by `time.monotonic`.
    """

    target: TargetServer
    local: Mapping[str, Image]
    results: Mapping[str, TransferResult]
    pending: Sequence[PendingImage]
    destination: Destination
    images: Sequence[Image]
    lock: str
    emit: Emit
    began: float

    @property
    def distinct(self) -> list[PendingImage]:
        """The images that it lacks, each once: several tags may be set to the same."""
        return list(reversed({each.image.id: each for each in reversed(self.pending)}.values()))

    async def finish(self, sent: Mapping[str, TransferResult]) -> dict[str, TransferResult]:
        """Set the other tags of images that were sent; tag -> result, for all of them.

        `sent` has those of `distinct`.
        """
        engine = self.target.engine
        by_id = {each.image.id: each.tag for each in self.distinct}
        same = [each for each in self.pending if each.tag not in sent]
        await gather_all(engine.tag(by_id[each.image.id], each.tag) for each in same)
        results = {**self.results, **sent}
        for each in same:
            result = report_reused(each.tag, each.image, self.emit, self.began)
            results[each.tag] = replace(result, loaded=True)
        return {tag: results[tag] for tag in self.local}

    async def clean(self) -> None:
        """Remove leftovers of killed transfers.

        Not before a transfer, which may reuse their layers.
        """
        info = self.target.info
        await remove_stale(self.target.engine, stale_tags(self.images, self.lock, info.now))


async def take_inventory(
    source: Engine,
    images: Mapping[str, str],
    target: TargetServer,
    *,
    emit: Emit,
    loaded_by_ftl: Mapping[str, bool] | None = None,
    lock: str = "",
) -> Inventory:
    """List a server's images, and tag those that it has, under any tag or none.

    Two round trips, whatever the number of images (parallel requests count as one).

    Args:
        source: The local engine.
        images: The tag to set on the server ("shop-web:r5") -> the local name.
        target: The server.
        emit: Receives progress events, image by image, under the tag on the server.
        loaded_by_ftl: ID of an image there -> whether an earlier transfer loaded it, as far as that is known: an engine
            does not report which blobs a containerd store has. For other images their labels and tags are used.
        lock: The name of the server lock that the caller holds (a deploy: its project's); empty for none. Staging tags
            of an earlier transfer under it that was killed are removed at once, not after a day.

    Raises:
        TransferFailed: An image does not exist here.
    """
    began = time.monotonic()
    engine, info = target.engine, target.info
    local = await _local_images(source, images)
    # Where IDs of both stores mean the same, an image that is there can be tagged at once, in the same round trip.
    is_comparable = (await source.info()).store == info.store
    remote, tagged = await gather2(
        _remote_images(engine, () if is_comparable else images),
        _tag_present(engine, local if is_comparable else {}),
    )
    if info.store == "containerd":  # it tags images that are incomplete, too, but does not list them
        tagged = {tag: image for tag, image in tagged.items() if image.id in remote.ids}
    inspected: list[Image] = []
    capabilities = RemoteCapabilities()
    present = tagged | _present({tag: image for tag, image in local.items() if tag not in tagged}, remote)
    if len(present) < len(local):
        inspected, capabilities = await gather2(
            inspect_images(engine, rank_by_likelihood(remote.images, map(repository, local))),
            _capabilities(target),
        )
        present |= _same_images({tag: image for tag, image in local.items() if tag not in present}, inspected)
    await gather_all(
        engine.tag(image.id, tag)
        for tag, image in present.items()
        if tag not in tagged and tag not in image.tags
    )
    results = {tag: report_reused(tag, local[tag], emit, began) for tag in present}
    layers = present_layers(
        info.store,
        inspected,
        loaded_by_ftl or {},
        cached=capabilities.cached,
        repositories={repository(tag) for tag in images},
    )
    return Inventory(
        target,
        local,
        results,
        [PendingImage(tag, images[tag], image) for tag, image in local.items() if tag not in present],
        Destination(engine, info, target.machine, capabilities, layers, inspected),
        remote.images,
        lock,
        emit,
        began,
    )


@dataclass(frozen=True, slots=True)
class _RemoteImages:
    """The images of a server; those under the tags to set, inspected, are `tagged`."""

    images: list[Image]
    tagged: Mapping[str, Image | None]

    @property
    def ids(self) -> set[str]:
        return {image.id for image in self.images}


async def _local_images(source: Engine, images: Mapping[str, str]) -> dict[str, Image]:
    inspected = await gather_all(source.image(reference) for reference in images.values())
    local: dict[str, Image] = {}
    for (tag, reference), image in zip(images.items(), inspected, strict=True):
        if image is None:
            raise TransferFailed(
                f"{reference} is not on {source.name}",
                cause="its engine has no image of that name",
                hint=f"{ftl('build')} builds it",
            )
        local[tag] = image
    return local


async def _remote_images(target: Engine, tags: Iterable[str]) -> _RemoteImages:
    names = list(tags)
    listed, inspected = await gather2(target.images(), gather_all(target.image(name) for name in names))
    return _RemoteImages(listed, dict(zip(names, inspected, strict=True)))


async def _tag_present(target: Engine, images: Mapping[str, Image]) -> dict[str, Image]:
    """Tag those images that the server has under the same ID: tag -> image."""

    async def tag_image(tag: str, image: Image) -> bool:
        try:
            await target.tag(image.id, tag)
        except EngineError as error:
            if error.status == _NOT_FOUND:
                return False
            raise
        return True

    is_present = await gather_all(tag_image(tag, image) for tag, image in images.items())
    return {tag: image for (tag, image), present in zip(images.items(), is_present, strict=True) if present}


async def _capabilities(target: TargetServer) -> RemoteCapabilities:
    if target.machine is not None:
        return await probe_server(target.machine, target.info.root, target.info.store)
    return RemoteCapabilities(free_for_images=target.free_bytes)


def _present(local: Mapping[str, Image], remote: _RemoteImages) -> dict[str, Image]:
    """Images that the server certainly has, by the first round trip: tag -> the image there."""
    by_id = {image.id: image for image in remote.images}
    present: dict[str, Image] = {}
    for tag, image in local.items():
        tagged = remote.tagged.get(tag)
        if tagged is not None and is_same_image(tagged, image):
            present[tag] = tagged
        elif image.id in by_id:
            present[tag] = by_id[image.id]
    return present


def _same_images(missing: Mapping[str, Image], remote: Sequence[Image]) -> dict[str, Image]:
    """Images that the server has under another ID: tag -> the image there."""
    same = {
        tag: next((image for image in remote if is_same_image(image, local)), None)
        for tag, local in missing.items()
    }
    return {tag: image for tag, image in same.items() if image is not None}


def report_reused(tag: str, image: Image, emit: Emit, began: float) -> TransferResult:
    """Report an image that the server had."""
    layers = len(image.layers)
    emit(TransferStarted(tag, layers, layers, 0))
    return report_finished(TransferResult(tag, 0, layers, 0, time.monotonic() - began), emit)
