"""Reader of the stream of `docker save`, in any of the formats that engines write.

- Docker 25 and newer on a graph driver: an OCI layout whose layers are plain blobs named by their diffIDs.
- Docker 20.10 to 24: `V1ID/layer.tar` (see `legacy_layout`).
- The containerd store: an OCI layout with the blobs as they were built or pulled, mostly compressed, named
  by the digest of the compressed bytes; `oci_index` maps them to layers.
- podman's docker-archive: `DIFFID.tar`.

A layer whose name does not reveal its diffID is spooled until it is known (`spool`).
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftl.errors import TransferFailed
from ftl.image.transfer.archive.archive import sha256_digest
from ftl.image.transfer.archive.spool import digest_layer, spool_layer
from ftl.image.transfer.archive.tar import TarEntry, TarReader
from ftl.image.transfer.sources.legacy_layout import LegacyLayerNames
from ftl.image.transfer.sources.source import DOCUMENT_LIMIT, LayerStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from ftl.image.transfer.sources.source import SourceImage


class SavedArchive:
    """The images in a stream of `docker save`.

    Layers other than the needed are skipped; `measure_all` finds out the uncompressed size of these too, where it takes
    decompressing them.

    Attributes:
        configs: Config digest -> document; complete at the end of `layers`.
        sizes: diffID -> uncompressed size of every layer; without `measure_all`, the size of the blob may stand
            in for the size of a layer that was not needed.
    """

    def __init__(
        self,
        stream: AsyncIterator[bytes],
        images: Sequence[SourceImage],
        needed: frozenset[str],
        *,
        measure_all: bool,
    ) -> None:
        self._name = ", ".join(image.reference for image in images)
        self._reader = TarReader(stream, name=f"the archive of {self._name} from the engine on this machine")
        self._needed = set(needed)
        self._measure_all = measure_all
        self._config_digests = {image.config_digest for image in images}
        self._layers = {layer for image in images for layer in image.layers}
        self._blobs = {blob: layer for image in images for blob, layer in image.blobs.items()}
        self._legacy = LegacyLayerNames(image.layers for image in images)
        self.configs: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}

    async def layers(self) -> AsyncGenerator[LayerStream, None]:
        """Yield the needed layers, each once, in the order of the archive.

        Raises:
            TransferFailed: The stream ends early, something is missing in it, or a layer's bytes do not match
                its digest.
        """
        while entry := await self._reader.next():
            if entry.kind != "file":
                continue
            if (digest := _digest_in(entry.name)) in self._config_digests:
                self.configs[digest] = await self._config(digest)
            elif entry.name.endswith("/json"):
                self._legacy.add_document(_parent(entry), await self._reader.read(DOCUMENT_LIMIT))
            else:
                async for layer in self._layer(entry):
                    yield layer
        if missing := self._needed | (self._config_digests - self.configs.keys()):
            raise TransferFailed(
                f"the engine on this machine did not save all of {self._name}",
                cause=f"missing: {', '.join(sorted(missing))}",
                hint="build or pull the image again",
            )

    async def _config(self, digest: str) -> bytes:
        content = await self._reader.read(DOCUMENT_LIMIT)
        if sha256_digest(content) != digest:
            raise self._damaged(f"its config {digest}")
        return content

    async def _layer(self, entry: TarEntry) -> AsyncGenerator[LayerStream, None]:
        """Yield the entry if it is a needed layer, else at most record its size."""
        digest = _digest_in(entry.name)
        legacy = entry.name.endswith("/layer.tar")
        diff_id = self._legacy.diff_id(_parent(entry)) if legacy else self._diff_id(digest)
        if diff_id is None and not legacy:
            return
        plain = legacy or digest == diff_id
        if diff_id is None or (diff_id in self._needed and not plain):
            async with spool_layer(self._reader.body()) as spooled:
                if diff_id not in {None, spooled.diff_id}:
                    raise self._damaged(f"layer {diff_id}")
                if spooled.diff_id in self._needed:
                    yield self._stream(spooled.diff_id, spooled.size, spooled.chunks())
        elif diff_id in self._needed:
            yield self._stream(diff_id, entry.size, self._verified(diff_id))
        elif diff_id not in self.sizes:
            use_blob_size = plain or not self._measure_all
            self.sizes[diff_id] = (
                entry.size if use_blob_size else (await digest_layer(self._reader.body()))[1]
            )

    def _diff_id(self, digest: str) -> str | None:
        """The layer in a blob; a plain blob's digest is the diffID."""
        return self._blobs.get(digest) or (digest if digest in self._layers else None)

    def _stream(self, diff_id: str, size: int, chunks: AsyncIterator[bytes]) -> LayerStream:
        self._needed.discard(diff_id)
        self.sizes[diff_id] = size
        return LayerStream(diff_id, size, chunks)

    async def _verified(self, diff_id: str) -> AsyncIterator[bytes]:
        """The current entry's body, which must have this digest."""
        sha256 = hashlib.sha256()
        async for chunk in self._reader.body():
            sha256.update(chunk)
            yield chunk
        if f"sha256:{sha256.hexdigest()}" != diff_id:
            raise self._damaged(f"layer {diff_id}")

    def _damaged(self, part: str) -> TransferFailed:
        return TransferFailed(
            f"{self._name} is damaged on this machine",
            cause=f"the bytes of {part} do not match its digest",
            hint="remove the image here and build or pull it again",
        )


def _digest_in(name: str) -> str:
    """The digest in an entry's name ("blobs/sha256/HEX", "HEX.json", "HEX.tar"), else ""."""
    path = PurePosixPath(name)
    if path.parts[:2] == ("blobs", "sha256") or path.suffix in {".json", ".tar"}:
        stem = path.stem
        return f"sha256:{stem}" if len(stem) == 64 else ""
    return ""


def _parent(entry: TarEntry) -> str:
    return PurePosixPath(entry.name).parent.name
