"""The engine's own files as a source of layers: nothing is written, only what is needed is read.

`docker save` writes all of an image to disk before its first byte. Where this process may read the engine's
data directory (root on Linux, typical for CI runners), the same bytes come straight from there:

    image/overlay2/imagedb/content/sha256/ID           an image's config, byte for byte
    image/overlay2/layerdb/sha256/CHAINID/diff         the layer's diffID
                                         /cache-id     its folder's name
                                         /tar-split.json.gz   see `tarsplit`
    overlay2/CACHEID/diff                              its files

(moby layer/filestore.go and image/fs.go; read on Docker 20.10.24, 26.1.5 and 28.5.2.) It is the engine's own
business how these files lie: whatever is not as expected makes the source unfit, and bytes are believed only
once they have the digest that names them.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.errors import EngineError
from ftl.image.transfer.archive.archive import sha256_digest
from ftl.image.transfer.presence import chain_ids
from ftl.image.transfer.sources.source import DOCUMENT_LIMIT, LayerStream, SourceUnusable
from ftl.image.transfer.sources.tarsplit import assembled, entries, length

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Sequence

    from ftl.engine.api import Engine
    from ftl.image.transfer.sources.source import SourceImage
    from ftl.image.transfer.sources.tarsplit import Content

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_FEW = 30_000
"""Entries of a record that are kept in memory between two uses: some 20 MB; an ordinary layer has 10,000."""

_CACHE_ID = re.compile(r"[0-9a-z]{1,128}")


async def readable(engine: Engine, wanted: Sequence[SourceImage]) -> Files | None:
    """The engine's files, if this process may read them and these images are in them; else None. Never raises.

    Takes a few milliseconds: the layers are looked up, not read.

    Args:
        engine: The engine here.
        wanted: The images.
    """
    if not engine.url.startswith("unix://"):
        return None
    try:
        info = await engine.info()
        if info.store != "overlay2":
            return None
        return await asyncio.to_thread(_found, Path(info.root), wanted)
    except (EngineError, SourceUnusable):
        return None


def _found(root: Path, wanted: Sequence[SourceImage]) -> Files:
    files = Files(root, wanted)
    files.look_up()
    return files


@dataclass(frozen=True, slots=True)
class _Kept:
    """A layer as the engine keeps it: the record of its tar, and the folder of its files."""

    diff_id: str
    record: Path
    folder: Path

    def size(self) -> int:
        """The tar's size, in bytes."""
        return length(entries(self.record))

    def tar(self) -> tuple[int, Generator[bytes, None, None]]:
        """The tar: its size in bytes, and its pieces, which raise Unfit at the end if they are not it.

        The record of an ordinary layer is read once for both.
        """
        rest = entries(self.record)
        first = list(islice(rest, _FEW))
        beyond = length(rest)
        parts = entries(self.record) if beyond else first
        return length(first) + beyond, self._checked(parts)

    def _checked(self, parts: Iterable[bytes | Content]) -> Generator[bytes, None, None]:
        found = hashlib.sha256()
        for piece in assembled(parts, self.folder):
            found.update(piece)
            yield piece
        if f"sha256:{found.hexdigest()}" != self.diff_id:
            raise SourceUnusable(f"the engine's files of layer {self.diff_id} do not match its digest")


class Files:
    """The images of a graph driver (overlay2) in the engine's data directory; a Source.

    Args:
        root: The engine's data directory.
        wanted: The images.

    Attributes:
        configs: Config digest -> document.
        sizes: diffID -> size of the tar in bytes, of those that were asked for.
    """

    name = "files"

    def __init__(self, root: Path, wanted: Sequence[SourceImage]) -> None:
        self._root = root
        self._wanted = wanted
        self._kept: dict[str, _Kept] = {}
        self.configs: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}

    def look_up(self) -> None:
        """Read the configs and find the layers. Blocking.

        Raises:
            Unfit: Something is not there, or may not be read.
        """
        try:
            for image in self._wanted:
                self.configs[image.config] = self._config(image.config)
                for diff_id, chain_id in zip(image.layers, chain_ids(image.layers), strict=True):
                    if diff_id not in self._kept:
                        self._kept[diff_id] = self._layer(diff_id, chain_id)
        except (OSError, ValueError) as error:
            raise SourceUnusable(f"the engine's files are not as expected: {error}") from error

    async def layers(self, needed: frozenset[str], *, measure: bool) -> AsyncGenerator[LayerStream, None]:
        """Hand out the needed layers, as `Source.layers`."""
        if missing := needed - self._kept.keys():
            raise SourceUnusable(f"the engine's files hold no layer {', '.join(sorted(missing))}")
        for diff_id, kept in self._kept.items():
            if diff_id in needed:
                self.sizes[diff_id], tar = await asyncio.to_thread(kept.tar)
                async with aclosing(_ahead(tar)) as pieces:
                    yield LayerStream(diff_id, self.sizes[diff_id], pieces)
            elif measure:
                self.sizes[diff_id] = await asyncio.to_thread(kept.size)

    def _config(self, name: str) -> bytes:
        with (self._root / "image/overlay2/imagedb/content/sha256" / _hex(name)).open("rb") as file:
            content = file.read(DOCUMENT_LIMIT)
        if sha256_digest(content) != name:
            raise ValueError(f"config {name} is damaged")
        return content

    def _layer(self, diff_id: str, chain_id: str) -> _Kept:
        folder = self._root / "image/overlay2/layerdb/sha256" / _hex(chain_id)
        if (folder / "diff").read_text() != diff_id:
            raise ValueError(f"layer {chain_id} is another one")
        cache_id = (folder / "cache-id").read_text()
        if not _CACHE_ID.fullmatch(cache_id):
            raise ValueError(f"layer {chain_id} lies in {cache_id!r}")
        kept = _Kept(diff_id, folder / "tar-split.json.gz", self._root / "overlay2" / cache_id / "diff")
        kept.record.open("rb").close()
        next(kept.folder.iterdir(), None)
        return kept


def _hex(name: str) -> str:
    match = _DIGEST.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no digest")
    return match[1]


async def _ahead(pieces: Generator[bytes, None, None]) -> AsyncGenerator[bytes, None]:
    """Run a blocking generator in a thread, one piece ahead of whoever reads it."""
    coming = asyncio.create_task(asyncio.to_thread(next, pieces, None))
    try:
        while (piece := await asyncio.shield(coming)) is not None:
            coming = asyncio.create_task(asyncio.to_thread(next, pieces, None))
            yield piece
    finally:
        # A generator that a thread is inside of cannot be closed. It is out of it after one piece.
        await shielded(asyncio.wait([coming]))
        if not coming.cancelled():
            coming.exception()
        pieces.close()
