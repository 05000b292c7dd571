"""Images sent from one engine to one server, as tests of transfers and benchmarks do it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ftl.image.transfer.inventory import TargetServer, take_inventory
from ftl.image.transfer.send import send_missing
from ftl.image.transfer.sources.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo
    from ftl.events import Emit
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
        machine: The server, if commands can be run there.
        free_bytes: Free disk space where the server's engine keeps its images, where there is no machine to ask.
        sources: The sources of layers that may be used.
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
    """Send images to a server; see `take_inventory` and `send_missing`.

    Args:
        source: The local engine.
        images: The tag to set on the server ("shop-web:r5") -> the local name.
        target: The server's engine.
        info: The version, store and platform of the server's engine.
        emit: Receives progress events.
        machine: The server, if commands can be run there.
        free_bytes: Free disk space where the server's engine keeps its images, where there is no machine to ask.
        sources: The names of the sources of layers that may be used ("push", "save"); None for all.
        loaded_by_ftl: ID of an image there -> whether an earlier transfer loaded it.
        lock: The name of the server lock that the caller holds; empty for none.
        ahead: Reads the images already; None: begin to read them now, while the server is asked what it has.
    """
    async with AsyncExitStack() as stack:
        if ahead is None and (sources is None or "push" in sources):
            ahead = await stack.enter_async_context(ReadAhead(source, images.values()))
        server = TargetServer(target, info, machine, free_bytes)
        found = await take_inventory(
            source, images, server, emit=emit, loaded_by_ftl=loaded_by_ftl, lock=lock
        )
        return await send_missing(source, found, sources=sources, ahead=ahead)
