"""Pushing as a source of layers: the engine asks which ones are missing, and hands over only those.

    tag as 127.0.0.1:PORT/NAME -> push -> HEAD: "is it there?" -> what is needed is uploaded, compressed

`docker save` writes all of an image to disk, whatever changed. A push to an endpoint in this process does
not; but an engine compresses what it uploads, with one thread a layer. So this serves a small change to a
large image. Which layer a blob holds an engine does not say: it asks for digests of compressed blobs, those
that it remembers from earlier pushes and pulls. So do we (`remembered`); a layer of which we do not know the
digest is uploaded, however little we need it. It is read to its end, never cut short: an engine writes down
the digest of what it has sent, and would believe in a blob that exists nowhere.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.errors import EngineError, TransferFailed
from ftl.image.transfer.archive.spool import digest_layer, spool_layer
from ftl.image.transfer.sources.blob_cache import KnownBlob
from ftl.image.transfer.sources.source import DOCUMENT_LIMIT, LayerStream, SourceUnusable
from ftl.image.transfer.sources.upload_endpoint import UploadEndpoint, UploadInterrupted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from ftl.engine.api import Engine
    from ftl.image.transfer.archive.spool import SpooledLayer
    from ftl.image.transfer.sources.blob_cache import BlobCache
    from ftl.image.transfer.sources.source import SourceImage

REACH_SECONDS = 2.0
"""After so long an engine that has not asked anything cannot reach this machine's loopback."""

_STALL = 900.0
"""Seconds in which something must move."""

_CLEANING_SECONDS = 10.0

_AUTH = {"username": "ftl", "password": "none"}
"""Nobody checks it, but an engine wants to be told something."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A layer that waits to be read; the upload is answered once it is."""

    layer: SpooledLayer
    read: asyncio.Event = field(default_factory=asyncio.Event)


class PushSource:
    """A push of images to an endpoint in this process; a Source for graph drivers.

    Args:
        engine: The engine here.
        wanted: The images.
        remembered: What earlier pushes taught; what this one does is added.
        budget: Bytes that the engine may upload. More means that it does not remember what we do. None: any
            number.

    Attributes:
        configs: Config digest -> document.
        sizes: Layer by diffID -> size of the tar in bytes; of all that are remembered, too.
    """

    name = "push"

    def __init__(
        self,
        engine: Engine,
        wanted: Sequence[SourceImage],
        remembered: BlobCache,
        *,
        budget: int | None = None,
    ) -> None:
        self._engine = engine
        self._wanted = wanted
        self._remembered = remembered
        self._budget = budget
        self._taken = 0
        self._documents = {image.config for image in wanted}
        self._missing = set(self._documents)
        self._needed: set[str] = set()
        self._arrived: asyncio.Queue[_Arrived | Exception | None] = asyncio.Queue()
        self._limit: asyncio.Timeout | None = None
        self.configs: dict[str, bytes] = {}
        self.sizes = {blob.diff_id: blob.size for blob in remembered.blobs.values()}

    async def layers(self, needed: frozenset[str], *, measure: bool) -> AsyncGenerator[LayerStream, None]:
        """Hand out the needed layers, as `Source.layers`.

        Raises:
            Unfit: The engine does not reach us, does not push, or pushes more than it should.
            TransferFailed: The disk here is full.
        """
        self._needed = set(needed)
        async with self._pushing():
            while (arrived := await self._arrived.get()) is not None:
                if isinstance(arrived, Exception):
                    raise arrived
                yield LayerStream(arrived.layer.diff_id, arrived.layer.size, self._pieces(arrived.layer))
                arrived.read.set()
        layers = {layer for image in self._wanted for layer in image.layers} if measure else set[str]()
        if missing := self._missing | self._needed | (layers - self.sizes.keys()):
            raise SourceUnusable(f"the engine did not push {', '.join(sorted(missing))}")

    async def learn(self) -> None:
        """Let the engine upload what is not remembered; nothing is kept but digests and sizes.

        Raises:
            Unfit: As for `layers`.
        """
        self._missing.clear()
        async with self._pushing():
            while (arrived := await self._arrived.get()) is not None:
                if isinstance(arrived, Exception):
                    raise arrived

    # --- what the endpoint asks and tells -----------------------------------------------------

    def heard(self) -> None:
        """The engine reaches us: from now on only silence counts."""
        self._allow(_STALL)

    def packed(self, digest: str) -> int | None:
        """The size of a blob whose layer is not needed (any more)."""
        blob = self._remembered.blobs.get(digest)
        return blob.packed if blob is not None and blob.diff_id not in self._needed else None

    async def receive(self, pieces: AsyncIterator[bytes]) -> tuple[str, int]:
        """Take an upload, hand it on if it is needed, and return its tar's digest and size."""
        try:
            if not self._missing and not self._needed:
                return await digest_layer(self._within_budget(pieces))
            async with spool_layer(self._within_budget(pieces)) as layer:
                if layer.diff_id in self._missing:
                    self.configs[layer.diff_id] = await _document(layer)
                    self._missing.discard(layer.diff_id)
                elif layer.diff_id in self._needed:
                    await self._hand_over(layer)
                return layer.diff_id, layer.size
        except (SourceUnusable, TransferFailed) as error:
            self._arrived.put_nowait(error)
            raise
        except UploadInterrupted as error:
            self._arrived.put_nowait(SourceUnusable(f"the engine stopped in the middle of a layer: {error}"))
            raise

    def learn_blob(self, digest: str, packed: int, received: tuple[str, int]) -> None:
        """Remember what is in a blob."""
        diff_id, size = received
        if diff_id not in self._documents:  # each has its own: they are always needed
            self.sizes[diff_id] = size
            self._remembered.blobs[digest] = KnownBlob(diff_id, size, packed)

    # --- the push -----------------------------------------------------------------------------

    @asynccontextmanager
    async def _pushing(self) -> AsyncIterator[None]:
        """Push beside what happens in this context; `None` in the queue says that it is over."""
        task = asyncio.create_task(self._push())
        try:
            yield
        finally:
            task.cancel()
            await shielded(asyncio.wait([task]))
            await asyncio.to_thread(self._remembered.save)

    async def _push(self) -> None:
        last: Exception | None = None
        try:
            async with (
                asyncio.timeout(None) as self._limit,
                UploadEndpoint(self, self._remembered.name, self._remembered.port) as endpoint,
            ):
                self._remembered.port = endpoint.port
                await self._clean(endpoint)
                for image in self._wanted:
                    async with self._tagged(endpoint, image) as reference:
                        self._allow(REACH_SECONDS)
                        async for _ in self._engine.push(reference, auth=_AUTH):
                            pass
        except TimeoutError:
            last = SourceUnusable("the engine does not reach a port of this machine, or nothing moved")
        except EngineError as error:
            last = SourceUnusable(f"the engine could not push: {error.cause or error.message}")
        except OSError as error:
            last = SourceUnusable(f"no port of this machine can be listened on: {error.strerror}")
        except Exception as error:  # noqa: BLE001  # handed to the reader, who raises it and waits no longer
            last = error
        finally:
            self._limit = None
        self._arrived.put_nowait(last)

    def _allow(self, seconds: float) -> None:
        """How long it may last until the engine is heard of again."""
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    async def _clean(self, endpoint: UploadEndpoint) -> None:
        """Take away names that a push which was killed has left."""
        for image in await self._engine.images():
            for tag in image.tags:
                if tag.startswith(f"{endpoint.repository}:"):
                    await self._engine.untag(tag)

    @asynccontextmanager
    async def _tagged(self, endpoint: UploadEndpoint, image: SourceImage) -> AsyncIterator[str]:
        """A name to push an image by. With it the engine's note of what was pushed there goes, too."""
        found = await self._engine.image(image.config)
        if found is None or not found.tags:
            raise SourceUnusable(
                f"{image.reference} has no name: it would be gone with the one that a push needs"
            )
        reference = f"{endpoint.repository}:{secrets.token_hex(6)}"
        try:
            await self._engine.tag(image.config, reference)
            yield reference
        finally:
            await shielded(self._untag(reference))

    async def _untag(self, reference: str) -> None:
        with suppress(EngineError, TimeoutError):
            async with asyncio.timeout(_CLEANING_SECONDS):
                await self._engine.untag(reference)

    async def _hand_over(self, layer: SpooledLayer) -> None:
        self._needed.discard(layer.diff_id)
        self.sizes[layer.diff_id] = layer.size
        arrived = _Arrived(layer)
        self._arrived.put_nowait(arrived)
        await arrived.read.wait()

    async def _pieces(self, layer: SpooledLayer) -> AsyncIterator[bytes]:
        try:
            async for piece in layer.pieces():
                self.heard()
                yield piece
        except ValueError as error:  # its file was closed with the push
            raise SourceUnusable("the push ended before its layers were read") from error

    async def _within_budget(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            self._taken += len(piece)
            if self._budget is not None and self._taken > self._budget:
                raise SourceUnusable("the engine uploads layers that it should remember from earlier pushes")
            yield piece


async def _document(layer: SpooledLayer) -> bytes:
    if layer.size > DOCUMENT_LIMIT:
        raise SourceUnusable(f"an image's config has {layer.size} bytes")
    return b"".join([piece async for piece in layer.pieces()])
