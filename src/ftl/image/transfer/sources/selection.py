"""Which source of layers to take: what must be sent decides, by what was measured.

Seconds for an image of 308 MB in 5 layers and 12,000 files on Docker 20.10.24; the least of five runs on two cores
that others used too, with the files in memory (`python -m bench.sources IMAGE`):

| | all of it | its layer of 123 MB | its layer of 3 kB |
|---|---|---|---|
| the engine's files | 0.7 | 0.5 | 0.00 |
| a push, the rest being remembered | 9.0 | 4.6 | 0.07 |
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
from ftl.image.transfer.sources.files import readable
from ftl.image.transfer.sources.same_host import runs_on_this_host
from ftl.image.transfer.sources.source import SourceUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.api import Engine
    from ftl.image.transfer.sources.source import LayerSource, SourceImage

SAVE_SPEED = 130e6
_PUSH_SPEED = 25e6
"""Bytes of layers a second: `docker save` writes all of an image first; a push compresses what is handed over. A busy
machine saves 90 MB a second and a quiet one 170."""

_PUSH_SECONDS = 0.1
"""What a push takes that hands over nothing."""

_SLACK = 8 << 20
"""Bytes that a push may have above what is expected: sizes of layers are those of their files."""


async def choose_sources(
    engine: Engine, wanted: Sequence[SourceImage], needed: frozenset[str], *, saving: LayerSource
) -> list[LayerSource]:
    """The sources that can serve, in the order to try them.

    Args:
        engine: The engine here.
        wanted: The images.
        needed: The diffIDs of the layers to hand out.
        saving: The source that always serves.
    """
    if (files := await readable(engine, wanted)) is not None:
        return [files, saving]
    if (push := await _push(engine, wanted, needed)) is not None:
        return [push, saving]
    return [saving]


async def learn_blobs(engine: Engine, wanted: Sequence[SourceImage]) -> None:
    """Make a push the fast way for the next time, where it can be and the files are not faster anyway.

    The engine compresses and uploads what is not remembered, with one thread a layer, so this is for the time
    in which a link is slow. It may be cancelled: each layer counts from its end on. Never raises.

    Args:
        engine: The engine here.
        wanted: Its images.
    """
    remembered = await asyncio.to_thread(BlobCache)
    layers = {layer for image in wanted for layer in image.layers}
    if not remembered.unknown(layers) or await readable(engine, wanted) is not None:
        return
    with suppress(SourceUnusable, EngineError, TransferFailed):
        if await _pushes(engine):
            from ftl.image.transfer.sources.push import PushSource

            await PushSource(engine, wanted, remembered).learn()


async def _push(engine: Engine, wanted: Sequence[SourceImage], needed: frozenset[str]) -> LayerSource | None:
    """A push, if it pays."""
    try:
        if not await _pushes(engine):
            return None
        steps = await gather_all(engine.layer_sizes(image.config) for image in wanted)
    except EngineError:
        return None
    sizes: dict[str, int] = {}
    for image, of_steps in zip(wanted, steps, strict=True):
        sizes |= estimated_sizes(image.layers, of_steps)
    remembered = await asyncio.to_thread(BlobCache)
    uploaded = sum(sizes.get(layer, 0) for layer in needed | remembered.unknown(sizes))
    if not push_is_faster(uploaded, sum(sizes.values())):
        return None
    from ftl.image.transfer.sources.push import PushSource  # brings an HTTP server

    return PushSource(engine, wanted, remembered, budget=uploaded + _SLACK)


async def _pushes(engine: Engine) -> bool:
    """Whether an engine can push to us, and does it layer by layer."""
    return (await engine.info()).store == "overlay2" and await asyncio.to_thread(
        runs_on_this_host, engine.url
    )


def push_is_faster(uploaded: int, size: int) -> bool:
    """Whether a push that hands over so many bytes is done before images of `size` bytes are saved."""
    return _PUSH_SECONDS + uploaded / _PUSH_SPEED < size / SAVE_SPEED
