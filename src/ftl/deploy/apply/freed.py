"""Space that a removal of images has freed: measured by the engine, or an upper estimate."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.engine import labels
from ftl.engine.marks import marks_on
from ftl.errors import EngineError
from ftl.image.transfer.presence import estimated_sizes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image

MEASURE_SECONDS = 0.5
"""Limit for measuring an engine's images; a deploy waits for up to four of them."""

LOOK_SECONDS = 2.0
"""Limit for reading the layers of images, for engines that do not measure them in time."""


async def freed_by(
    removal: Callable[[], Awaitable[None]], engine: Engine, project: str, images: Iterable[Image | None]
) -> tuple[int, bool]:
    """Remove images, and return how many bytes that has freed.

    Docker before 23 does not measure its images without its volumes, and a slow disk takes longer than a deploy may.
    Returned with the bytes: whether they are an upper estimate.
    """
    leaving = sorted({image.id for image in images if image is not None})
    before, sizes = await gather2(_measured(engine), _layer_sizes(engine, leaving))
    await removal()
    after = await _measured(engine) if before is not None else None
    if before is None or after is None:
        return await _most(engine, project, sizes), True
    return max(0, before - after), False


async def _measured(engine: Engine) -> int | None:
    with suppress(EngineError):
        return await engine.layers_size(seconds=MEASURE_SECONDS)
    return None


async def _layer_sizes(engine: Engine, leaving: Sequence[str]) -> dict[str, dict[str, int]]:
    """Sizes of the layers of images that shall go: ID -> layer -> bytes."""
    with suppress(EngineError, TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            images, steps = await gather2(
                _inspected(engine, leaving), gather(engine.layer_sizes(image) for image in leaving)
            )
            by_id = dict(zip(leaving, steps, strict=True))
            return {image.id: estimated_sizes(image.layers, by_id[image.id]) for image in images}
    return {}


async def _most(engine: Engine, project: str, sizes: Mapping[str, Mapping[str, int]]) -> int:
    """At most the bytes that went with the images that are gone: those of layers that no other of the project has."""
    with suppress(EngineError, TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            listed = {image.id for image in await engine.images() if _is_of(project, image)}
            kept = await _inspected(engine, sorted(listed | sizes.keys()))
            still = {image.id for image in kept}
            layers = {layer for image in kept for layer in image.layers}
            gone = ChainMap(*(dict(each) for image, each in sizes.items() if image not in still))
            return sum(size for layer, size in gone.items() if layer not in layers)
    return 0


def _is_of(project: str, image: Image) -> bool:
    """Whether an image was built for a project, or FTL brought it for that."""
    ours = image.labels.get(labels.PROJECT) == project
    return ours or any(mark.project == project for mark in marks_on(image))


async def _inspected(engine: Engine, ids: Sequence[str]) -> list[Image]:
    """Details of the images that the engine has."""
    found = await gather(engine.image(image) for image in ids)
    return [image for image in found if image is not None]
