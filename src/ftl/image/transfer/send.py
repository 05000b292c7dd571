"""Send images to a server: only the layers that it lacks, in one stream.

    source -> layers with known digests -> archive -> zstd or gzip -> load -> verify -> tag

No copy is made on this machine in the ordinary case and memory is bounded: each stage passes chunks on as they
come and is as fast as the slowest. Whatever goes wrong, no tag on the server moves to an image that is
incomplete.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather2, gather_all
from ftl.common.references import repository
from ftl.dataclass import dataclass
from ftl.errors import EngineError, TransferFailed
from ftl.events import Emit, TransferStarted
from ftl.image.transfer.presence import inspect_images, is_same_image, present_layers, rank_by_likelihood
from ftl.image.transfer.progress.result import TransferResult, report_finished
from ftl.image.transfer.remote.capabilities import RemoteCapabilities, probe_server
from ftl.image.transfer.sources.local_engine import LocalEngine
from ftl.image.transfer.sources.read_ahead import ReadAhead
from ftl.image.transfer.staging import remove_stale, stale_tags
from ftl.image.transfer.transfer import Destination, PendingImage, Transfer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo, Image
    from ftl.ssh.machine import Machine

_NOT_FOUND = 404


async def send(
    source: Engine,
    reference: str,
    target: Engine,
    *,
    tag: str,
    info: EngineInfo,
    emit: Emit,
    machine: Machine | None = None,
    free_bytes: int | None = None,
    sources: Collection[str] | None = None,
) -> TransferResult:
    """Send one image to a server: `send_many` for a single image.

    Args:
        source: The local engine.
        reference: The image's local name.
        target: The server's engine.
        tag: The tag to give the image there.
        info: The version, store and platform of the server's engine.
        emit: Receives progress events.
        machine: The server, if commands can be run there; see `send_many`.
        free_bytes: Free disk space where the server's engine keeps its images, where there is no machine to ask.
        sources: The sources of layers that may be used; see `send_many`.
    """
    results = await send_many(
        source,
        {tag: reference},
        target,
        info=info,
        emit=emit,
        machine=machine,
        free_bytes=free_bytes,
        sources=sources,
    )
    return results[tag]


async def send_many(
    source: Engine,
    images: Mapping[str, str],
    target: Engine,
    *,
    info: EngineInfo,
    emit: Emit,
    machine: Machine | None = None,
    free_bytes: int | None = None,
    sources: Collection[str] | None = None,
    loaded_by_ftl: Mapping[str, bool] | None = None,
    lock: str = "",
    ahead: ReadAhead | None = None,
) -> dict[str, TransferResult]:
    """Send images to a server, in one archive: a layer that several of them have is sent once.

    An image that is there already, under any tag or none, is only tagged. What the server has is found out
    in two round trips, whatever the number of images (parallel requests count as one). Images that do not
    arrive complete are sent again with all of their layers, once, and a Note says so.

    Args:
        source: The local engine.
        images: The tag to set on the server ("shop-web:r5") -> the local name.
        target: The server's engine.
        info: The version, store and platform of the server's engine.
        emit: Receives progress events, image by image, under the tag on the server.
        machine: The server, if commands can be run there: then layers may be sent as deltas, and what arrives of a
            transfer that is cut is kept.
        free_bytes: Free disk space where the server's engine keeps its images, where there is no machine to ask.
        sources: The names of the sources of layers that may be used ("push", "save"); None for all, the fastest
            first.
        loaded_by_ftl: ID of an image there -> whether an earlier transfer loaded it, as far as that is known: an engine
            does not report which blobs a containerd store has. For other images their labels and tags are used.
        lock: The name of the server lock that the caller holds (a deploy: its project's); empty for none. Staging tags
            of an earlier transfer under it that was killed are removed at once, not after a day.
        ahead: Reads the images already; None: begin to read them now, while the server is asked what it has.

    Returns:
        The tag on the server -> the result.

    Raises:
        TransferFailed: An image does not exist here, is damaged, does not fit there or was not loaded. No tag
            there has moved, except to images that were there already.
        EngineError: An engine does not answer, or refuses a request.
    """
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        if ahead is None and (sources is None or "push" in sources):
            ahead = await stack.enter_async_context(ReadAhead(source, images.values()))
        local = await _local_images(source, images)
        # Where IDs of both stores mean the same, an image that is there can be tagged at once, in the same round trip.
        is_comparable = (await source.info()).store == info.store
        remote, tagged = await gather2(
            _remote_images(target, () if is_comparable else images),
            _tag_present(target, local if is_comparable else {}),
        )
        if info.store == "containerd":  # it tags images that are incomplete, too, but does not list them
            tagged = {tag: image for tag, image in tagged.items() if image.id in remote.ids}
        inspected: list[Image] = []
        capabilities = RemoteCapabilities()
        present = tagged | _present({tag: image for tag, image in local.items() if tag not in tagged}, remote)
        if len(present) < len(local):
            inspected, capabilities = await gather2(
                inspect_images(target, rank_by_likelihood(remote.listed, map(repository, local))),
                _capabilities(machine, info, free_bytes),
            )
            present |= _same_images(
                {tag: image for tag, image in local.items() if tag not in present}, inspected
            )
        await gather_all(
            target.tag(image.id, tag)
            for tag, image in present.items()
            if tag not in tagged and tag not in image.tags
        )
        results = {tag: _report_reused(tag, local[tag], emit, began) for tag in present}

        pending = [
            PendingImage(tag, images[tag], image) for tag, image in local.items() if tag not in present
        ]
        try:
            by_id = {each.image.id: each for each in reversed(pending)}
            if by_id:
                transfer = Transfer(
                    source,
                    Destination(
                        target,
                        info,
                        machine,
                        capabilities,
                        present_layers(
                            info.store,
                            inspected,
                            loaded_by_ftl or {},
                            cached=capabilities.cached,
                            repositories={repository(tag) for tag in images},
                        ),
                        inspected,
                    ),
                    list(reversed(by_id.values())),
                    emit=emit,
                    began=began,
                    origin=LocalEngine(source, info.platform, sources, ahead),
                    lock=lock,
                )
                results |= await transfer.run()
            same = [each for each in pending if each.tag not in results]
            await gather_all(target.tag(by_id[each.image.id].tag, each.tag) for each in same)
            for each in same:
                result = _report_reused(each.tag, each.image, emit, began)
                results[each.tag] = replace(result, loaded=True)
        finally:  # not before, as their layers may be reused; and in any case, or they would keep their disk space
            await remove_stale(target, stale_tags(remote.listed, lock, info.now))
        return {tag: results[tag] for tag in images}


@dataclass(frozen=True, slots=True)
class _RemoteImages:
    """The images of a server.

    Attributes:
        listed: All images, without details.
        tagged: The images under the tags to set, inspected.
    """

    listed: list[Image]
    tagged: Mapping[str, Image | None]

    @property
    def ids(self) -> set[str]:
        return {image.id for image in self.listed}


async def _local_images(source: Engine, images: Mapping[str, str]) -> dict[str, Image]:
    inspected = await gather_all(source.image(reference) for reference in images.values())
    local: dict[str, Image] = {}
    for (tag, reference), image in zip(images.items(), inspected, strict=True):
        if image is None:
            raise TransferFailed(
                f"{reference} is not on {source.name}",
                cause="its engine has no image of that name",
                hint="`ftl build` makes it",
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


async def _capabilities(machine: Machine | None, info: EngineInfo, free: int | None) -> RemoteCapabilities:
    if machine is not None:
        return await probe_server(machine, info.root, info.store)
    return RemoteCapabilities(free_for_images=free)


def _present(local: Mapping[str, Image], remote: _RemoteImages) -> dict[str, Image]:
    """Images that the server certainly has, by the first round trip: tag -> the image there."""
    by_id = {image.id: image for image in remote.listed}
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


def _report_reused(tag: str, image: Image, emit: Emit, began: float) -> TransferResult:
    layers = len(image.layers)
    emit(TransferStarted(tag, layers, layers, 0))
    return report_finished(TransferResult(tag, 0, layers, 0, time.monotonic() - began), emit)
