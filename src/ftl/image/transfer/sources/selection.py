"""Choose the fastest source of layers, by the bytes to read and by measured speeds.

Seconds for an image of 308 MB in 5 layers and 12,000 files on Docker 20.10.24; the least of five runs on two cores
that others used too, with the files in memory (`python -m bench.sources IMAGE`):

| | all of it | its layer of 123 MB | its layer of 3 kB |
|---|---|---|---|
| a push, with the blobs of the other layers known | 9.0 | 4.6 | 0.07 |
| `docker save` | 3.9 | 3.7 | 3.1 |
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.errors import EngineError, TransferFailed
from ftl.image.transfer.presence import estimated_sizes
from ftl.image.transfer.sources.blob_cache import BlobCache
from ftl.image.transfer.sources.same_host import runs_on_this_host
from ftl.image.transfer.sources.source import SourceUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.api import Engine
    from ftl.image.transfer.sources.push import PushSource
    from ftl.image.transfer.sources.source import LayerSource, SourceImage

SAVE_SPEED = 130e6
_PUSH_SPEED = 25e6
"""Bytes of layers a second: `docker save` writes all of an image first; a push compresses its uploads.

A busy machine saves 90 MB a second and a quiet one 170.
"""

_PUSH_SECONDS = 0.1
"""Seconds that a push takes that uploads nothing."""

_SLACK = 8 << 20
"""Bytes that a push may upload above the estimate: the engine reports sizes of layers as those of their files."""


async def choose_sources(
    engine: Engine, images: Sequence[SourceImage], needed: frozenset[str], *, fallback: LayerSource
) -> list[LayerSource]:
    """The sources that can serve, in the order to try them.

    `needed` are the diffIDs of the layers to read; the fallback always works.
    """
    push = await push_source(engine, images, needed)
    return [fallback] if push is None else [push, fallback]


async def learn_blobs(engine: Engine, images: Sequence[SourceImage]) -> None:
    """Learn the blobs of images, where that makes a push the fastest source the next time.

    The engine compresses and uploads the layers of unknown blobs, with one thread a layer, so this is for the time
    in which a link is slow. It may be cancelled: each layer counts once it is complete. Never raises.
    """
    cache = await asyncio.to_thread(BlobCache)
    if not cache.unknown(layer for image in images for layer in image.layers):
        return
    with suppress(SourceUnusable, EngineError, TransferFailed):
        if await _can_push(engine):
            from ftl.image.transfer.sources.push import PushSource

            await PushSource(engine, images, cache).learn()


async def push_source(
    engine: Engine, images: Sequence[SourceImage], needed: frozenset[str]
) -> PushSource | None:
    """A push source, if it is possible and faster.

    `needed` are the diffIDs of the layers to read.
    """
    try:
        if not await _can_push(engine):
            return None
        step_sizes = await gather_all(engine.layer_sizes(image.config_digest) for image in images)
    except EngineError:
        return None
    sizes: dict[str, int] = {}
    for image, steps in zip(images, step_sizes, strict=True):
        sizes |= estimated_sizes(image.layers, steps)
    cache = await asyncio.to_thread(BlobCache)
    uploaded = sum(sizes.get(layer, 0) for layer in needed | cache.unknown(sizes))
    if not push_is_faster(uploaded, sum(sizes.values())):
        return None
    from ftl.image.transfer.sources.push import PushSource  # many transfers need none

    return PushSource(engine, images, cache, budget=uploaded + _SLACK)


async def _can_push(engine: Engine) -> bool:
    """Whether an engine can push to this process, layer by layer."""
    return (await engine.info()).store == "overlay2" and await asyncio.to_thread(
        runs_on_this_host, engine.url
    )


def push_is_faster(uploaded: int, size: int) -> bool:
    """Whether a push that uploads some bytes ends before images of `size` bytes are saved."""
    return _PUSH_SECONDS + uploaded / _PUSH_SPEED < size / SAVE_SPEED
