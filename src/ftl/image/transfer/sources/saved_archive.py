"""Reading what a local engine saves, whichever form it has, as the layers of known diffIDs that we need.

- Docker 25 and newer on a graph driver: an OCI layout whose layers are plain blobs named by their diffIDs.
- Docker 20.10 to 24: `V1ID/layer.tar` (see `legacy`).
- The containerd store: an OCI layout with the blobs as they were built or pulled, mostly compressed, named
  by the digest of the compressed bytes; `survey` says which is which.
- podman's docker-archive: `DIFFID.tar`.

A layer whose name does not tell its diffID is put aside until it is known (`spool`).
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
    """The images inside a stream of `docker save`.

    Args:
        stream: The engine's answer, as it arrives.
        wanted: The images that were asked for.
        needed: The diffIDs of the layers to hand out; the others pass unread.
        measure: Find out the uncompressed size of the others too, where it takes decompressing them.

    Attributes:
        configs: Config digest -> document; whole once `layers` is through.
        sizes: diffID -> uncompressed size of every layer; without `measure`, the size of the blob may stand
            in for the size of a layer that was not needed.
    """

    def __init__(
        self,
        stream: AsyncIterator[bytes],
        wanted: Sequence[SourceImage],
        needed: frozenset[str],
        *,
        measure: bool,
    ) -> None:
        self._name = ", ".join(image.reference for image in wanted)
        self._reader = TarReader(stream, what=f"what the engine on this machine saves of {self._name}")
        self._needed = set(needed)
        self._measure = measure
        self._configs = {image.config for image in wanted}
        self._all = {layer for image in wanted for layer in image.layers}
        self._blobs = {blob: layer for image in wanted for blob, layer in image.blobs.items()}
        self._legacy = LegacyLayerNames(image.layers for image in wanted)
        self.configs: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}

    async def layers(self) -> AsyncGenerator[LayerStream, None]:
        """Hand out the needed layers, each once, in the order in which they pass.

        Raises:
            TransferFailed: The stream ends early, something is missing in it, or a layer's bytes do not match
                its digest.
        """
        while member := await self._reader.next():
            if member.kind != "file":
                continue
            if (config := _digest_in(member.name)) in self._configs:
                self.configs[config] = await self._config(config)
            elif member.name.endswith("/json"):
                self._legacy.learn(_parent(member), await self._reader.read(DOCUMENT_LIMIT))
            else:
                async for layer in self._layer(member):
                    yield layer
        if self._needed or self.configs.keys() != self._configs:
            raise TransferFailed(
                f"the engine on this machine did not save all of {self._name}",
                cause=f"missing: {', '.join(sorted(self._needed | (self._configs - self.configs.keys())))}",
                hint="build or pull the image again",
            )

    async def _config(self, name: str) -> bytes:
        content = await self._reader.read(DOCUMENT_LIMIT)
        if sha256_digest(content) != name:
            raise self._damaged(f"its config {name}")
        return content

    async def _layer(self, member: TarEntry) -> AsyncGenerator[LayerStream, None]:
        """Hand out the member if it is a layer that is needed, else at most take note of its size."""
        name = _digest_in(member.name)
        legacy = member.name.endswith("/layer.tar")
        diff_id = self._legacy.diff_id(_parent(member)) if legacy else self._diff_id(name)
        if diff_id is None and not legacy:
            return
        plain = legacy or name == diff_id
        if diff_id is None or (diff_id in self._needed and not plain):
            async with spool_layer(self._reader.body()) as layer:
                if diff_id not in {None, layer.diff_id}:
                    raise self._damaged(f"layer {diff_id}")
                if layer.diff_id in self._needed:
                    yield self._hand_out(layer.diff_id, layer.size, layer.pieces())
        elif diff_id in self._needed:
            yield self._hand_out(diff_id, member.size, self._checked(diff_id))
        elif diff_id not in self.sizes:
            as_it_is = plain or not self._measure
            self.sizes[diff_id] = member.size if as_it_is else (await digest_layer(self._reader.body()))[1]

    def _diff_id(self, blob: str) -> str | None:
        """The layer in a blob of that digest, which is its own where blobs are plain."""
        return self._blobs.get(blob) or (blob if blob in self._all else None)

    def _hand_out(self, diff_id: str, size: int, pieces: AsyncIterator[bytes]) -> LayerStream:
        self._needed.discard(diff_id)
        self.sizes[diff_id] = size
        return LayerStream(diff_id, size, pieces)

    async def _checked(self, diff_id: str) -> AsyncIterator[bytes]:
        found = hashlib.sha256()
        async for piece in self._reader.body():
            found.update(piece)
            yield piece
        if f"sha256:{found.hexdigest()}" != diff_id:
            raise self._damaged(f"layer {diff_id}")

    def _damaged(self, part: str) -> TransferFailed:
        return TransferFailed(
            f"{self._name} is damaged on this machine",
            cause=f"the bytes of {part} do not match its digest",
            hint="remove the image here and build or pull it again",
        )


def _digest_in(name: str) -> str:
    """The digest that a member's name says ("blobs/sha256/HEX", "HEX.json", "HEX.tar"), else ""."""
    path = PurePosixPath(name)
    if path.parts[:2] == ("blobs", "sha256") or path.suffix in {".json", ".tar"}:
        stem = path.stem
        return f"sha256:{stem}" if len(stem) == 64 else ""
    return ""


def _parent(member: TarEntry) -> str:
    return PurePosixPath(member.name).parent.name
