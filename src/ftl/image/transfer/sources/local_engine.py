"""The engine here: what its images are made of, and the ways to get at their layers."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.errors import EngineError
from ftl.image.transfer.sources.docker_save import DockerSaveSource, docker_save
from ftl.image.transfer.sources.oci_index import read_oci_index
from ftl.image.transfer.sources.selection import choose_sources, learn_blobs
from ftl.image.transfer.sources.source import SourceImage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image
    from ftl.image.transfer.sources.source import LayerSource


async def warm_blob_cache(engine: Engine, references: Iterable[str]) -> None:
    """Let the next transfer of these images, or of their descendants, get at single layers faster.

    Takes as long as the engine here needs to compress what is new to us; may be cancelled at any time, and never raises
    on account of an engine. For a time in which this machine only waits.

    Args:
        engine: The engine here.
        references: Names or IDs of its images.
    """
    with suppress(EngineError):
        if (await engine.info()).store == "overlay2":
            found = await gather_all(engine.image(reference) for reference in references)
            images = [image for image in found if image is not None]
            await learn_blobs(engine, [SourceImage(image.id, image.id, image.layers) for image in images])


class LocalEngine:
    """The engine here.

    Args:
        engine: It.
        platform: The server's, which decides where an image has several.
        sources: The names of the sources to use; None: of all.
    """

    def __init__(self, engine: Engine, platform: str, sources: Collection[str] | None = None) -> None:
        self._engine = engine
        self._platform = platform
        self._allowed = sources

    async def wanted(self, images: Mapping[str, Image]) -> list[SourceImage]:
        """What the images are made of: by what messages call them.

        Raises:
            TransferFailed: One is not there for that platform, or not whole.
        """
        if (await self._engine.info()).store == "containerd":
            ids = {reference: image.id for reference, image in images.items()}
            async with aclosing(
                docker_save(self._engine, {id_: name for name, id_ in ids.items()})
            ) as stream:
                return await read_oci_index(stream, ids, self._platform)
        return [SourceImage(reference, image.id, image.layers) for reference, image in images.items()]

    async def sources(
        self, images: Mapping[str, Image], wanted: Sequence[SourceImage], needed: frozenset[str]
    ) -> list[LayerSource]:
        """The ways to these layers, the best first; the last one is sure, but the slowest."""
        saving = DockerSaveSource(self._engine, {image.id: name for name, image in images.items()}, wanted)
        found = await choose_sources(self._engine, wanted, needed, saving=saving)
        return [source for source in found if self._allowed is None or source.name in self._allowed]

    async def old(self, image: Image, layer: str) -> list[LayerSource]:
        """The ways to one layer of an older image."""
        images = {image.id: image}
        return await self.sources(images, await self.wanted(images), frozenset({layer}))
