"""Send images to a server: only the layers that it lacks, in one stream.

    source -> layers with known digests -> archive -> zstd or gzip -> load -> verify -> tag

No copy is made on this machine in the ordinary case and memory is bounded: each stage passes chunks on as they
come and is as fast as the slowest. Whatever goes wrong, no tag on the server moves to an image that is
incomplete.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ftl.image.transfer.examination import Recipient, examine
from ftl.image.transfer.sources.local_engine import LocalEngine
from ftl.image.transfer.sources.read_ahead import ReadAhead
from ftl.image.transfer.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo
    from ftl.events import Emit
    from ftl.image.transfer.examination import Examination
    from ftl.image.transfer.progress.result import TransferResult
    from ftl.ssh.machine import Machine


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
    async with AsyncExitStack() as stack:
        if ahead is None and (sources is None or "push" in sources):
            ahead = await stack.enter_async_context(ReadAhead(source, images.values()))
        recipient = Recipient(target, info, machine, free_bytes)
        found = await examine(source, images, recipient, emit=emit, loaded_by_ftl=loaded_by_ftl, lock=lock)
        return await send_examined(source, found, sources=sources, ahead=ahead)


async def send_examined(
    source: Engine,
    found: Examination,
    *,
    sources: Collection[str] | None = None,
    ahead: ReadAhead | None = None,
) -> dict[str, TransferResult]:
    """Send what a server lacks; see `send_many`."""
    sent: dict[str, TransferResult] = {}
    try:
        if found.pending:
            origin = LocalEngine(source, found.recipient.info.platform, sources, ahead)
            sent = await Transfer(
                source,
                found.destination,
                found.distinct,
                emit=found.emit,
                began=found.began,
                origin=origin,
                lock=found.lock,
            ).run()
        return await found.finish(sent)
    finally:  # in any case, or what was left would keep its disk space
        await found.clean()
