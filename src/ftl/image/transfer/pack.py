"""Packing of images into an archive: cached layers, then layers from here, then documents."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
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
"""A part of the archive: bytes, or the tar of a layer from here or in the server's cache."""


class ArchivePacker:
    """Packs one archive; `images` are by the tag to load them under.

    Args:
        free: Bytes free where the server's engine keeps its images; None if unknown.
        measure_all: Whether the sizes of all layers are needed: the containerd store relies on them.
    """

    def __init__(
        self,
        source: LayerSource,
        images: Mapping[str, SourceImage],
        needed: frozenset[str],
        cached: Sequence[CachedLayer],
        meter: Meter,
        *,
        free: int | None,
        server: str,
        measure_all: bool,
    ) -> None:
        self._source = source
        self._images = images
        self._needed = needed - {layer.diff_id for layer in cached}
        self._cached = cached
        self._meter = meter
        self._free = free
        self._server = server
        self._measure_all = measure_all
        self._reserved = 0

    async def parts(self) -> AsyncGenerator[ArchivePart, None]:
        """Yield the parts of the archive.

        The consumer reads a layer to its end before it asks for the next part.

        Raises:
            TransferFailed: The images cannot be read here, or do not fit on the server's disk.
            SourceUnusable: The source does not work.
        """
        for cached in self._cached:
            self._reserve(cached.size)
            self._meter.layer_cached(cached.diff_id, cached.size, cached.compressed_size)
            yield RawBytes(file_header(blob_path(cached.diff_id), cached.size))
            yield cached
            yield RawBytes(padding(cached.size))
        async with aclosing(self._source.layers(self._needed, measure_all=self._measure_all)) as layers:
            async for layer in layers:
                self._reserve(layer.size)
                self._meter.layer_started(layer.diff_id)
                yield RawBytes(file_header(blob_path(layer.diff_id), layer.size))
                yield layer
                self._meter.layer_finished()
                yield RawBytes(padding(layer.size))
        for path, content in archive_documents(self._archived_images(), self._sizes()).items():
            yield RawBytes(file_header(path, len(content)) + content + padding(len(content)))
        yield RawBytes(END_OF_ARCHIVE)

    def expected_ids(self, store: Store) -> dict[str, str]:
        """The image ID that each tag must have once an engine with this store has loaded it."""
        return {
            image.tag: image.config_digest
            if store == "overlay2"
            else sha256_digest(image.manifest(self._sizes()))
            for image in self._archived_images()
        }

    def _sizes(self) -> dict[str, int]:
        """The size of every layer that is known, and 0 for others: graph drivers ignore it."""
        known = {layer.diff_id: layer.size for layer in self._cached}
        unknown = {diff_id: 0 for image in self._images.values() for diff_id in image.layers}
        return unknown | known | dict(self._source.sizes)

    def _archived_images(self) -> list[ArchivedImage]:
        return [
            ArchivedImage(tag, self._source.configs[image.config_digest], image.layers)
            for tag, image in self._images.items()
        ]

    def _reserve(self, size: int) -> None:
        self._reserved += LOAD_FACTOR * size
        if self._free is not None and self._reserved > self._free:
            raise not_enough_space(self._server, self._reserved, self._free)
