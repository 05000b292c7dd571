"""Source of layers that reads `docker save`: works with every engine, wherever it runs."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ftl.errors import EngineError, TransferFailed
from ftl.image.transfer.sources.saved_archive import SavedArchive

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.image.transfer.sources.source import LayerStream, SourceImage


class DockerSaveSource:
    """Source that reads the stream of `docker save`; may be read more than once.

    `references` is image ID -> what messages call it. It is saved by ID, because a tag may move to another image
    meanwhile, when another build uses it.
    """

    name = "save"

    def __init__(self, engine: Engine, references: Mapping[str, str], images: Sequence[SourceImage]) -> None:
        self._engine = engine
        self._references = references
        self._images = images
        self.configs: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}

    async def layers(self, needed: frozenset[str], *, measure_all: bool) -> AsyncGenerator[LayerStream, None]:
        """Yield layers, as `LayerSource.layers`.

        Raises:
            TransferFailed: The stream ends early, something is missing in it, or a layer's bytes do not match its
                digest.
        """
        async with aclosing(docker_save(self._engine, self._references)) as stream:
            archive = SavedArchive(stream, self._images, needed, measure_all=measure_all)
            self.configs, self.sizes = archive.configs, archive.sizes
            async with aclosing(archive.layers()) as layers:
                async for layer in layers:
                    yield layer


async def docker_save(engine: Engine, references: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
    """Stream images as an engine saves them; errors say that it is this engine that failed."""
    try:
        async with aclosing(engine.save(list(references))) as stream:
            async for chunk in stream:
                yield chunk
    except EngineError as error:
        raise TransferFailed(
            f"{', '.join(references.values())} cannot be read from the engine on {engine.name}",
            cause=error.cause or error.message,
            hint=error.hint,
        ) from error
