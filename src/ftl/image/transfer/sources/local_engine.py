"""The local engine: the layers of its images, and the sources to read them from."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.dataclass import dataclass
from ftl.errors import EngineError
from ftl.image.transfer.sources.docker_save import DockerSaveSource, docker_save
from ftl.image.transfer.sources.oci_index import read_oci_index
from ftl.image.transfer.sources.selection import choose_sources, learn_blobs
from ftl.image.transfer.sources.source import SourceImage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image
    from ftl.image.transfer.sources.read_ahead import ReadAhead
    from ftl.image.transfer.sources.source import LayerSource


async def warm_blob_cache(engine: Engine, references: Iterable[str]) -> None:
    """Learn the blobs of images, so that the next transfer reads single layers faster.

    Also the transfer of images based on them. Takes as long as the local engine needs to compress layers of unknown
    blobs; may be cancelled at any time, and never raises on account of an engine. For a time in which this machine
    only waits.
    """
    with suppress(EngineError):
        if (await engine.info()).store == "overlay2":
            images = await gather_all(engine.image(reference) for reference in references)
            present = [image for image in images if image is not None]
            await learn_blobs(engine, [SourceImage(image.id, image.id, image.layers) for image in present])


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """The engine on this machine as the source of a transfer.

    Where an image has several platforms, the server's decides. `allowed` are the names of the sources to use, None for
    all; `ahead` reads images before it is known which layers are needed.
    """

    engine: Engine
    platform: str
    allowed: Collection[str] | None = None
    ahead: ReadAhead | None = None

    async def source_images(self, images: Mapping[str, Image]) -> list[SourceImage]:
        """List the layers and configs of images. The keys are their names in messages.

        Raises:
            TransferFailed: An image is not there for that platform, or incomplete.
        """
        if (await self.engine.info()).store == "containerd":
            ids = {reference: image.id for reference, image in images.items()}
            references = {image_id: reference for reference, image_id in ids.items()}
            async with aclosing(docker_save(self.engine, references)) as stream:
                return await read_oci_index(stream, ids, self.platform)
        return [SourceImage(reference, image.id, image.layers) for reference, image in images.items()]

    async def sources(
        self, images: Mapping[str, Image], source_images: Sequence[SourceImage], needed: frozenset[str]
    ) -> list[LayerSource]:
        """The sources of layers, the fastest first; the last one is slow, but always works."""
        ahead = await self.ahead.source(source_images, needed) if self.ahead is not None else None
        return await self._sources(images, source_images, needed, ahead)

    async def _sources(
        self,
        images: Mapping[str, Image],
        source_images: Sequence[SourceImage],
        needed: frozenset[str],
        ahead: LayerSource | None = None,
    ) -> list[LayerSource]:
        references = {image.id: reference for reference, image in images.items()}
        fallback = DockerSaveSource(self.engine, references, source_images)
        if ahead is not None:
            sources = [ahead, fallback]
        else:
            sources = await choose_sources(self.engine, source_images, needed, fallback=fallback)
        return [source for source in sources if self.allowed is None or source.name in self.allowed]

    async def layer_sources(self, image: Image, layer: str) -> list[LayerSource]:
        """The sources of one layer of another image."""
        images = {image.id: image}
        return await self._sources(images, await self.source_images(images), frozenset({layer}))
