"""The tag that an image has while it is pushed to this process."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.errors import EngineError
from ftl.image.transfer.sources.source import SourceUnusable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.engine.api import Engine
    from ftl.image.transfer.sources.source import SourceImage

_TAG = "pushed"

_CLEANUP_SECONDS = 10.0


@asynccontextmanager
async def push_tag(engine: Engine, endpoint: str, image: SourceImage) -> AsyncIterator[str]:
    """Tag an image for its push; removing the tag removes the engine's note of the push, too.

    The tag is always the same: one that a killed push has left behind moves, and goes, with the next push. To
    look for such tags an engine would have to list its images, for which 20.10 reads the documents of all of
    them (0.15 s for some 200, where a push of nothing takes 0.1 s).

    Raises:
        SourceUnusable: The image has no tag.
    """
    inspected = await engine.image(image.config_digest)
    if inspected is None or not inspected.tags:
        raise SourceUnusable(
            f"{image.reference} has no tag: it would be removed with the one that a push needs"
        )
    reference = f"{endpoint}:{_TAG}"
    try:
        await engine.tag(image.config_digest, reference)
        yield reference
    finally:
        await shielded(_untag(engine, reference))


async def _untag(engine: Engine, reference: str) -> None:
    with suppress(EngineError, TimeoutError):
        async with asyncio.timeout(_CLEANUP_SECONDS):
            await engine.untag(reference)
