"""From the layers of images to the archive that is sent: what is kept there, what comes from here, documents last."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.image.transfer.archive.archive import ArchivedImage, archive_documents, blob_path, sha256_digest
from ftl.image.transfer.archive.tar import END_OF_ARCHIVE, file_header, padding
from ftl.image.transfer.disk_space import LOAD_FACTOR, not_enough_space
from ftl.image.transfer.remote.capabilities import CachedLayer
from ftl.image.transfer.sources.source import LayerStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from ftl.engine.values import Store
    from ftl.image.transfer.progress.meter import Meter
    from ftl.image.transfer.sources.source import LayerSource, SourceImage


@dataclass(frozen=True, slots=True)
class RawBytes:
    """Bytes of the archive as they are."""

    content: bytes


ArchivePart = RawBytes | LayerStream | CachedLayer
"""A piece of the archive: bytes, the tar of a layer from here, the tar of a layer that the server keeps."""


class ArchivePacker:
    """One archive in the making.

    Args:
        source: Where the layers come from.
        images: The tag to load an image under -> the image.
        needed: The diffIDs of the layers that must be in it.
        kept: Layers that need not come from here.
        meter: Told which layers begin and end.
        free: Bytes that are free where the engine keeps its images; None where that is not known.
        server: What errors call the target.
        store: The target's.
    """

    def __init__(
        self,
        source: LayerSource,
        images: Mapping[str, SourceImage],
        needed: frozenset[str],
        kept: Sequence[CachedLayer],
        meter: Meter,
        *,
        free: int | None,
        server: str,
        store: Store,
    ) -> None:
        self._source = source
        self._images = images
        self._needed = needed - {layer.diff_id for layer in kept}
        self._kept = kept
        self._meter = meter
        self._free = free
        self._server = server
        self._store = store
        self._reserved = 0

    async def parts(self) -> AsyncGenerator[ArchivePart, None]:
        """The archive. Whoever takes a layer reads it to its end before the next part.

        Raises:
            TransferFailed: The images cannot be read here, or will not fit there.
            Unfit: The source cannot serve.
        """
        for kept in self._kept:
            self._reserve(kept.size)
            self._meter.kept(kept.diff_id, kept.size, kept.compressed)
            yield RawBytes(file_header(blob_path(kept.diff_id), kept.size))
            yield kept
            yield RawBytes(padding(kept.size))
        measure = self._store == "containerd"
        async with aclosing(self._source.layers(self._needed, measure=measure)) as layers:
            async for layer in layers:
                self._reserve(layer.size)
                self._meter.layer(layer.diff_id)
                yield RawBytes(file_header(blob_path(layer.diff_id), layer.size))
                yield layer
                self._meter.layer_done()
                yield RawBytes(padding(layer.size))
        for name, content in archive_documents(self._packed(), self._sizes()).items():
            yield RawBytes(file_header(name, len(content)) + content + padding(len(content)))
        yield RawBytes(END_OF_ARCHIVE)

    def ids(self) -> dict[str, str]:
        """The ID that each tag must have once the archive is loaded: nothing else was meant."""
        return {
            image.tag: image.config_digest
            if self._store == "overlay2"
            else sha256_digest(image.manifest(self._sizes()))
            for image in self._packed()
        }

    def _sizes(self) -> dict[str, int]:
        """The size of every layer that is known, and 0 for others: graph drivers do not look at it."""
        known = {layer.diff_id: layer.size for layer in self._kept}
        unknown = {diff_id: 0 for image in self._images.values() for diff_id in image.layers}
        return unknown | known | dict(self._source.sizes)

    def _packed(self) -> list[ArchivedImage]:
        return [
            ArchivedImage(tag, self._source.configs[image.config], image.layers)
            for tag, image in self._images.items()
        ]

    def _reserve(self, size: int) -> None:
        self._reserved += LOAD_FACTOR * size
        if self._free is not None and self._reserved > self._free:
            raise not_enough_space(self._server, self._reserved, self._free)
