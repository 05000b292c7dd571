"""Bringing images to a server: only the layers that it lacks, in one stream.

    save -> layers of known names -> our archive -> zstd or gzip -> load -> verify -> tag

No copy is made on this machine in the ordinary case and memory is bounded: each stage hands on pieces as they
come and is as fast as the slowest. Whatever goes wrong, no name on the server moves to an image that is not
whole.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl.aio import gather2, gather_all
from ftl.errors import EngineError, TransferFailed
from ftl.events import Emit, TransferStarted
from ftl.image.transfer.equality import is_same_image
from ftl.image.transfer.presence import inspect_images, present_layers, rank_by_likelihood
from ftl.image.transfer.progress.result import TransferResult, report_finished
from ftl.image.transfer.remote.capabilities import RemoteCapabilities, probe_server
from ftl.image.transfer.sources.local_engine import LocalEngine
from ftl.image.transfer.staging import remove_stale, stale_tags
from ftl.image.transfer.transfer import Destination, PendingImage, Transfer
from ftl.references import repository

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
    """Bring one image to a server: `send_many` for one.

    Args:
        source: The engine here.
        reference: The image's name here.
        target: The engine there.
        tag: The image's name there.
        info: What the engine there says of itself.
        emit: Told of the progress.
        machine: The server, if commands can be run there; see `send_many`.
        free_bytes: The room where the engine there keeps its images, where there is no machine to ask.
        sources: The ways to get layers out of the engine here; see `send_many`.
    """
    sent = await send_many(
        source,
        {tag: reference},
        target,
        info=info,
        emit=emit,
        machine=machine,
        free_bytes=free_bytes,
        sources=sources,
    )
    return sent[tag]


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
) -> dict[str, TransferResult]:
    """Bring images to a server, in one archive: a layer that several of them have travels once.

    An image that is there already, under any name or none, is only tagged. What the server has is found out
    in two round trips, whatever the number of images (calls side by side count as one). Images that do not
    arrive whole are sent again with all of their layers, once, and a Note says so.

    Args:
        source: The engine here.
        images: The name there ("shop-web:r5") -> the name here.
        target: The engine there.
        info: What the engine there says of itself.
        emit: Told of the progress, image by image, under the name there.
        machine: The server, if commands can be run there: then a layer may be sent as the difference to an old one, and
            what arrives of a transfer that is cut is kept.
        free_bytes: The room where the engine there keeps its images, where there is no machine to ask.
        sources: The names of the ways that may be used to get layers out of the engine here ("files", "push",
            "save"); None: all, the best one first.
        loaded_by_ftl: Image ID there -> whether an earlier transfer brought it, as far as that is known: which blobs a
            containerd store has cannot be asked. For other images their labels and names tell.
        lock: The name of the lock of that server which the caller holds (a deploy: its project's); empty for none. What
            an earlier transfer under it left there when it was killed goes at once, not after a day.

    Returns:
        The name there -> what it took.

    Raises:
        TransferFailed: An image is not here, is damaged, does not fit there or was not loaded. No name
            there has moved, except to images that were there already.
        EngineError: An engine does not answer, or refuses a question.
    """
    began = time.monotonic()
    here = await _here(source, images)
    # Where IDs of both stores mean the same, an image that is there can be named at once, in the same round trip.
    comparable = (await source.info()).store == info.store
    there, named = await gather2(
        _there(target, () if comparable else images), _named(target, here if comparable else {})
    )
    if info.store == "containerd":  # it names what is half there, too, but does not list it
        named = {tag: image for tag, image in named.items() if image.id in {one.id for one in there.listed}}
    known: list[Image] = []
    depot = RemoteCapabilities()
    present = named | _present({tag: image for tag, image in here.items() if tag not in named}, there)
    if len(present) < len(here):
        known, depot = await gather2(
            inspect_images(target, rank_by_likelihood(there.listed, map(repository, here))),
            _depot(machine, info, free_bytes),
        )
        present |= _twins({tag: image for tag, image in here.items() if tag not in present}, known)
    for tag, image in present.items():
        if tag not in named and tag not in image.tags:
            await target.tag(image.id, tag)
    results = {tag: _reused(tag, here[tag], emit, began) for tag in present}

    parcels = [PendingImage(tag, images[tag], image) for tag, image in here.items() if tag not in present]
    try:
        first = {parcel.image.id: parcel for parcel in reversed(parcels)}
        if first:
            other = Destination(
                target, info, machine, depot, present_layers(info.store, known, loaded_by_ftl or {}), known
            )
            origin = LocalEngine(source, info.platform, sources)
            shipment = Transfer(
                source,
                other,
                list(reversed(first.values())),
                emit=emit,
                began=began,
                origin=origin,
                lock=lock,
            )
            results |= await shipment.run()
        for parcel in parcels:
            if parcel.tag not in results:
                await target.tag(first[parcel.image.id].tag, parcel.tag)
                sent = _reused(parcel.tag, parcel.image, emit, began)
                results[parcel.tag] = replace(sent, loaded=True)
    finally:  # not before, as layers of theirs may serve; and whatever happens, or they would keep their room
        await remove_stale(target, stale_tags(there.listed, lock, time.time()))
    return {tag: results[tag] for tag in images}


@dataclass(frozen=True, slots=True)
class _There:
    """The first answer of a server: all images in short, and in full those under the tags that were asked for."""

    listed: list[Image]
    tagged: Mapping[str, Image | None]


async def _here(source: Engine, images: Mapping[str, str]) -> dict[str, Image]:
    found = dict(zip(images, await gather_all(source.image(name) for name in images.values()), strict=True))
    for tag, image in found.items():
        if image is None:
            raise TransferFailed(
                f"{images[tag]} is not on {source.name}",
                cause="its engine has no image of that name",
                hint="`ftl build` makes it",
            )
    return {tag: image for tag, image in found.items() if image is not None}


async def _there(target: Engine, tags: Iterable[str]) -> _There:
    names = list(tags)
    listed, tagged = await gather2(target.images(), gather_all(target.image(name) for name in names))
    return _There(listed, dict(zip(names, tagged, strict=True)))


async def _named(target: Engine, images: Mapping[str, Image]) -> dict[str, Image]:
    """Give those images their names there that are there, by their IDs: tag -> the image."""

    async def name(tag: str, image: Image) -> bool:
        try:
            await target.tag(image.id, tag)
        except EngineError as error:
            if error.status == _NOT_FOUND:
                return False
            raise
        return True

    found = await gather_all(name(tag, image) for tag, image in images.items())
    return {tag: image for (tag, image), there in zip(images.items(), found, strict=True) if there}


async def _depot(machine: Machine | None, info: EngineInfo, free: int | None) -> RemoteCapabilities:
    """What the server can do beside its engine, and the room there."""
    if machine is not None:
        return await probe_server(machine, info.root, info.store)
    return RemoteCapabilities(free=free)


def _present(here: Mapping[str, Image], there: _There) -> dict[str, Image]:
    """Which images the server has for sure, by the first answer: tag -> the image there."""
    by_id = {image.id: image for image in there.listed}
    found: dict[str, Image] = {}
    for tag, image in here.items():
        tagged = there.tagged.get(tag)
        if tagged is not None and is_same_image(tagged, image):
            found[tag] = tagged
        elif image.id in by_id:
            found[tag] = by_id[image.id]
    return found


def _twins(missing: Mapping[str, Image], known: Sequence[Image]) -> dict[str, Image]:
    """Which images the server has under another ID: tag -> the image there."""
    twins = {
        tag: next((image for image in known if is_same_image(image, ours)), None)
        for tag, ours in missing.items()
    }
    return {tag: image for tag, image in twins.items() if image is not None}


def _reused(tag: str, image: Image, emit: Emit, began: float) -> TransferResult:
    layers = len(image.layers)
    emit(TransferStarted(tag, layers, layers, 0))
    return report_finished(TransferResult(tag, 0, layers, 0, time.monotonic() - began), emit)
