"""Reading of images before it is known which of their layers a server lacks.

An engine compresses what it pushes, with one thread a layer: for a changed layer of 10 MB that takes longer than
the server's lock and all questions to it. The layers of unknown blobs are those that were built last. They are nearly
always what must be sent, and are learnt in any case (`learn_blobs`): so nothing is done that would not be done.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ftl.aio import gather_all, shielded
from ftl.dataclass import dataclass
from ftl.errors import EngineError
from ftl.image.transfer.sources.blob_cache import BlobCache
from ftl.image.transfer.sources.selection import push_source
from ftl.image.transfer.sources.source import SourceImage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from ftl.engine.api import Engine
    from ftl.image.transfer.sources.push import PushSource

    FindPush = Callable[[Engine, Sequence[SourceImage], frozenset[str]], Awaitable[PushSource | None]]


@dataclass(frozen=True, slots=True)
class StartedPush:
    """A push that has started, with the IDs of its images and diffIDs of its layers."""

    push: PushSource
    images: frozenset[str]
    layers: frozenset[str]

    def serves(self, images: Sequence[SourceImage], needed: frozenset[str]) -> bool:
        """Whether it provides these layers of these images."""
        return self.layers >= needed and self.images >= {image.config_digest for image in images}


class ReadAhead:
    """Reads the layers of images whose blobs are unknown; an async context manager.

    Its end removes what was not used. Nothing is read where the local engine cannot push, another source would be
    faster, or all blobs are known.
    """

    def __init__(self, engine: Engine, references: Iterable[str], find_push: FindPush = push_source) -> None:
        self._find_push = find_push
        self._engine = engine
        self._references = list(dict.fromkeys(references))
        self._task: asyncio.Task[StartedPush | None] | None = None
        self._is_used = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._begin())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def source(self, images: Sequence[SourceImage], needed: frozenset[str]) -> PushSource | None:
        """The source of the layers that turned out to be needed; None where others are.

        It serves one transfer: to several servers, the first that asks. Where others are needed, the reading ends,
        unless a transfer uses it.
        """
        task = self._task
        if task is None or self._is_used:
            return None
        await asyncio.wait(
            [task]
        )  # not the task itself: a transfer that is cancelled would cancel it for the others
        if self._is_used or self._task is None:  # by another transfer, which has waited for the same
            return None
        started = _result(task)
        if started is not None and started.serves(images, needed):
            self._is_used = True
            return started.push
        await self._end()
        return None

    async def _begin(self) -> StartedPush | None:
        with suppress(EngineError):
            if not self._references:
                return None
            # The info takes 20.10 0.1 s, as it runs programs for their versions.
            info, images, cache = await asyncio.gather(
                self._engine.info(), self._images(), asyncio.to_thread(BlobCache)
            )
            if info.store != "overlay2":
                return None
            unknown = frozenset(cache.unknown(layer for image in images for layer in image.layers))
            push = await self._find_push(self._engine, images, unknown) if unknown else None
            if push is not None:
                push.begin()
                return StartedPush(push, frozenset(image.config_digest for image in images), unknown)
        return None

    async def _images(self) -> list[SourceImage]:
        inspected = await gather_all(self._engine.image(reference) for reference in self._references)
        return [SourceImage(each.id, each.id, each.layers) for each in inspected if each is not None]

    async def _end(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await shielded(asyncio.wait([task]))
            started = _result(task)
            if started is not None:
                await shielded(started.push.close())


def _result(task: asyncio.Task[StartedPush | None]) -> StartedPush | None:
    return None if task.cancelled() else task.result()
