"""Space that a removal of images has freed: measured by the engine, or an upper estimate."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import EngineError
from ftl.image.transfer.presence import estimated_sizes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image

MEASURE_SECONDS = 0.5
"""Limit for measuring an engine's images; a deploy waits for up to four of them."""

LOOK_SECONDS = 2.0
"""Limit for reading the layers of images where their engine does not measure them."""


async def freed_by(
    removal: Callable[[], Awaitable[None]], engine: Engine, project: str, images: Iterable[Image | None]
) -> tuple[int, bool]:
    """Remove images, and return how many bytes that has freed.

    Docker before 23 does not measure its images without its volumes, and a slow disk takes longer than a deploy may.

    Args:
        removal: Removes them.
        engine: The engine that has them.
        project: The project whose other images stay.
        images: Those that go; None is passed over.

    Returns:
        Bytes, and whether they are an upper estimate.
    """
    leaving = sorted({image.id for image in images if image is not None})
    before = await _measured(engine)
    if before is None:
        layers = await _layers(engine, project, leaving)
        await removal()
        return await _most(engine, layers), True
    await removal()
    after = await _measured(engine)
    return max(0, before - after) if after is not None else 0, False


async def _measured(engine: Engine) -> int | None:
    with suppress(EngineError):
        return await engine.layers_size(seconds=MEASURE_SECONDS)
    return None


@dataclass(frozen=True, slots=True)
class _Layers:
    """Layers of a project's images.

    Attributes:
        leaving: ID of an image that shall go -> layer -> bytes.
        kept: Layers of the others.
    """

    leaving: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()


async def _layers(engine: Engine, project: str, leaving: Sequence[str]) -> _Layers:
    with suppress(EngineError, TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            return await _read_layers(engine, project, leaving)
    return _Layers()


async def _read_layers(engine: Engine, project: str, leaving: Sequence[str]) -> _Layers:
    listed = await engine.images(labels={labels.PROJECT: project})
    others = sorted({image.id for image in listed} - set(leaving))
    kept, gone = await gather2(_inspected(engine, others), _inspected(engine, leaving))
    steps = await gather(engine.layer_sizes(image.id) for image in gone)
    return _Layers(
        {image.id: estimated_sizes(image.layers, sizes) for image, sizes in zip(gone, steps, strict=True)},
        frozenset(layer for image in kept for layer in image.layers),
    )


async def _most(engine: Engine, layers: _Layers) -> int:
    """At most the bytes that went with the images that are gone: those of layers that no other of the project has."""
    with suppress(EngineError):
        still = {image.id for image in await _inspected(engine, list(layers.leaving))}
        kept = layers.kept.union(*(layers.leaving[image] for image in still))
        gone = ChainMap(*(dict(sizes) for image, sizes in layers.leaving.items() if image not in still))
        return sum(size for layer, size in gone.items() if layer not in kept)
    return 0


async def _inspected(engine: Engine, ids: Sequence[str]) -> list[Image]:
    """Details of the images that the engine has."""
    found = await gather(engine.image(image) for image in ids)
    return [image for image in found if image is not None]
