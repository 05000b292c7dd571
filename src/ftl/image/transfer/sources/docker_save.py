"""`docker save` as a source of layers: what every engine offers, wherever it runs."""

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
    """Images out of the stream that an engine saves; a Source. May be read more than once.

    Args:
        engine: The engine.
        images: Image ID -> what messages call it. By ID, because a name may move to another image meanwhile, when
            another build uses it.
        wanted: The same images.
    """

    name = "save"

    def __init__(self, engine: Engine, images: Mapping[str, str], wanted: Sequence[SourceImage]) -> None:
        self._engine = engine
        self._images = images
        self._wanted = wanted
        self.configs: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}

    async def layers(self, needed: frozenset[str], *, measure: bool) -> AsyncGenerator[LayerStream, None]:
        """Hand out layers; see Source.

        Raises:
            TransferFailed: The stream ends early, something is missing in it, or a layer's bytes do not match its
                digest.
        """
        async with aclosing(docker_save(self._engine, self._images)) as stream:
            inside = SavedArchive(stream, self._wanted, needed, measure=measure)
            self.configs, self.sizes = inside.configs, inside.sizes
            async with aclosing(inside.layers()) as layers:
                async for layer in layers:
                    yield layer


async def docker_save(engine: Engine, images: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
    """What an engine saves of these images; its errors are told from those of the engine there."""
    try:
        async with aclosing(engine.save(list(images))) as stream:
            async for piece in stream:
                yield piece
    except EngineError as error:
        raise TransferFailed(
            f"{', '.join(images.values())} cannot be read from the engine on {engine.name}",
            cause=error.cause or error.message,
            hint=error.hint,
        ) from error
