"""Images that a build on another machine replaces; nothing else removes them there."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image

_RECENT_SECONDS = 3600.0


async def tagged_images(engine: Engine, tags: Iterable[str]) -> list[Image]:
    """The images that have these tags."""
    images = await gather(engine.image(tag) for tag in tags)
    return [image for image in images if image is not None]


async def remove_replaced(engine: Engine, before: Iterable[Image], built: Image, tags: Sequence[str]) -> None:
    """Remove older images without other tags.

    BuildKit's cache, which has its own limit, keeps their layers. Images of the last hour stay: another deploy of the
    project may have built one, and be about to use it.

    The images `before` had the tags before the build, `built` has them now.
    """
    hour_ago = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((await engine.info()).now - _RECENT_SECONDS))
    unused = {
        image.id
        for image in before
        if image.id != built.id and "" < image.created < hour_ago and set(image.tags) <= set(tags)
    }
    for image_id in unused:
        with suppress(EngineError):  # a container runs it
            await engine.untag(image_id)
