"""Source of layers that has the engine push: it uploads missing layers alone.

    tag as 127.0.0.1:PORT/NAME -> push -> HEAD: does the blob exist? -> what is needed is uploaded, compressed

`docker save` writes all of an image to disk, whatever changed. A push to an endpoint in this process does
not; but an engine compresses what it uploads, with one thread a layer. So this serves a small change to a
large image. An engine does not say which layer a blob contains: it asks for digests of compressed blobs that
it remembers from earlier pushes and pulls. So does FTL (`blob_cache`); a layer of which no blob is known
is uploaded, even if it is not needed. An upload is read to its end, never cut short: an engine writes down
the digest of what it has sent, and would believe in a blob that exists nowhere.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.dataclass import dataclass
from ftl.errors import EngineError, TransferFailed
from ftl.image.transfer.archive.spool import digest_layer, spool_layer
from ftl.image.transfer.sources.blob_cache import KnownBlob
from ftl.image.transfer.sources.push_tag import push_tag
from ftl.image.transfer.sources.source import DOCUMENT_LIMIT, LayerStream, SourceUnusable
from ftl.image.transfer.sources.upload_endpoint import UploadEndpoint, UploadInterrupted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from ftl.engine.api import Engine
    from ftl.image.transfer.archive.spool import SpooledLayer
    from ftl.image.transfer.sources.blob_cache import BlobCache
    from ftl.image.transfer.sources.source import SourceImage

REACH_SECONDS = 2.0
"""An engine that has sent no request after this time cannot reach this machine's loopback."""

_STALL_SECONDS = 900.0
"""The longest time without a request or a byte."""

_CLEANUP_SECONDS = 10.0

_AUTH = {"username": "ftl", "password": "none"}
"""Nothing checks it, but an engine wants credentials."""


@dataclass(frozen=True, slots=True)
class _UploadedLayer:
    """A layer that waits to be read; the upload is answered afterwards."""

    layer: SpooledLayer
    is_read: asyncio.Event = field(default_factory=asyncio.Event)


class PushSource:
    """Source for graph drivers: a push of images to an endpoint in this process.

    Args:
        cache: The blobs that are known from earlier pushes; what this one teaches is added.
        budget: Bytes that the engine may upload, None for any number. More means that it does not remember the blobs
            that FTL does.

    Attributes:
        configs: Config digest -> document.
        sizes: diffID -> size of the tar in bytes, also of all known blobs.
    """

    name = "push"

    def __init__(
        self, engine: Engine, images: Sequence[SourceImage], cache: BlobCache, *, budget: int | None = None
    ) -> None:
        self._engine = engine
        self._images = images
        self._cache = cache
        self._budget = budget
        self._uploaded = 0
        self._config_digests = {image.config_digest for image in images}
        self._missing_configs = set(self._config_digests)
        self._needed: set[str] = set()
        self._results: asyncio.Queue[_UploadedLayer | Exception | None] = asyncio.Queue()
        self._limit: asyncio.Timeout | None = None
        self._task: asyncio.Task[None] | None = None
        self._files = AsyncExitStack()
        self._put_aside: dict[str, SpooledLayer] | None = None
        self._is_read_ahead = False
        self._wanted: set[str] | None = None
        self._uploads = 0
        self.configs: dict[str, bytes] = {}
        self.sizes = {blob.diff_id: blob.size for blob in cache.blobs.values()}

    def begin(self) -> None:
        """Begin to push before it is known which layers are needed; ends with `layers` or `close`.

        What the engine uploads until then is put aside in temporary files.
        """
        self._put_aside = {}
        self._is_read_ahead = True
        self._task = asyncio.create_task(self._push())

    async def close(self) -> None:
        """End the push, and remember the blobs that it taught; one that is complete ends by itself."""
        if self._task is not None:
            if self._is_complete():
                await shielded(asyncio.wait([self._task], timeout=_CLEANUP_SECONDS))
            self._task.cancel()
            await shielded(asyncio.wait([self._task]))
        await self._files.aclose()
        await asyncio.to_thread(self._cache.save)

    async def layers(self, needed: frozenset[str], *, measure_all: bool) -> AsyncGenerator[LayerStream, None]:
        """Yield the needed layers, as `LayerSource.layers`.

        Raises:
            SourceUnusable: The engine does not reach this process, does not push, or uploads too much.
            TransferFailed: The local disk is full.
        """
        self._needed = set(needed)
        ready, self._put_aside = self._put_aside or {}, None
        self._wanted = {layer for image in self._images for layer in image.layers} if measure_all else set()
        async with self._pushing():
            for diff_id in ready.keys() & needed:
                self._needed.discard(diff_id)
                yield LayerStream(diff_id, ready[diff_id].size, self._chunks(ready[diff_id]))
            self._end_if_complete()
            while (result := await self._results.get()) is not None:
                if isinstance(result, Exception):
                    raise result
                yield LayerStream(result.layer.diff_id, result.layer.size, self._chunks(result.layer))
                result.is_read.set()
        if missing := self._missing():
            raise SourceUnusable(f"the engine did not push {', '.join(sorted(missing))}")

    async def learn(self) -> None:
        """Let the engine upload the layers of unknown blobs; only digests and sizes are kept.

        Raises:
            SourceUnusable: As for `layers`.
        """
        self._missing_configs.clear()
        async with self._pushing():
            while (result := await self._results.get()) is not None:
                if isinstance(result, Exception):
                    raise result

    # --- UploadHandler ------------------------------------------------------------------------

    def on_activity(self) -> None:
        """The engine reaches this process: from now on only a stall counts."""
        self._set_timeout(_STALL_SECONDS)

    def known_blob_size(self, digest: str) -> int | None:
        """The size of a blob whose layer is not needed (any more)."""
        blob = self._cache.blobs.get(digest)
        return blob.compressed_size if blob is not None and blob.diff_id not in self._needed else None

    async def receive(self, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        """Receive an upload, and have its layer yielded if it is needed; the tar's digest and size."""
        self._uploads += 1
        try:
            return await self._receive(chunks)
        finally:
            self._uploads -= 1
            self._end_if_complete()

    async def _receive(self, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        try:
            is_ahead = self._put_aside is not None
            if not self._missing_configs and not self._needed and not is_ahead:
                return await digest_layer(self._within_budget(chunks))
            async with AsyncExitStack() as upload:
                files = self._files if is_ahead else upload
                layer = await files.enter_async_context(spool_layer(self._within_budget(chunks)))
                if layer.diff_id in self._missing_configs:
                    self.configs[layer.diff_id] = await _document(layer)
                    self._missing_configs.discard(layer.diff_id)
                elif self._put_aside is not None:
                    self.sizes[layer.diff_id] = layer.size
                    self._put_aside[layer.diff_id] = layer
                elif layer.diff_id in self._needed:
                    uploaded = self._pass_on(layer)
                    if not is_ahead:  # its file is gone with the upload
                        await uploaded.is_read.wait()
                return layer.diff_id, layer.size
        except (SourceUnusable, TransferFailed) as error:
            self._results.put_nowait(error)
            raise
        except UploadInterrupted as error:
            self._results.put_nowait(SourceUnusable(f"the engine stopped in the middle of a layer: {error}"))
            raise

    def blob_complete(self, digest: str, compressed_size: int, received: tuple[str, int]) -> None:
        """Remember the layer in a blob."""
        diff_id, size = received
        if diff_id not in self._config_digests:  # every image has its own: they are always needed
            self.sizes[diff_id] = size
            self._cache.blobs[digest] = KnownBlob(diff_id, size, compressed_size)
            self._end_if_complete()

    # --- the push -----------------------------------------------------------------------------

    @asynccontextmanager
    async def _pushing(self) -> AsyncIterator[None]:
        """Push in the background of this context; `None` in the queue means that the push is over."""
        self._task = self._task or asyncio.create_task(self._push())
        try:
            yield
        finally:
            if self._is_complete():  # who has begun it closes it
                await self._files.aclose()
            else:
                await self.close()

    async def _push(self) -> None:
        result: Exception | None = None
        try:
            async with (
                asyncio.timeout(None) as self._limit,
                UploadEndpoint(self, self._cache.name, self._cache.port) as endpoint,
            ):
                self._cache.port = endpoint.port
                for image in self._images:
                    async with push_tag(self._engine, endpoint.repository, image) as reference:
                        self._set_timeout(REACH_SECONDS)
                        async for _ in self._engine.push(reference, auth=_AUTH):
                            pass
            self._limit = None  # it is over; a layer is perhaps still being read
            if self._is_read_ahead:  # what it taught is asked for before it is closed
                await asyncio.to_thread(self._cache.save)
        except TimeoutError:
            result = SourceUnusable("the engine does not reach a port of this machine, or nothing moved")
        except EngineError as error:
            result = SourceUnusable(f"the engine could not push: {error.cause or error.message}")
        except OSError as error:
            result = SourceUnusable(f"no port of this machine can be listened on: {error.strerror}")
        except Exception as error:  # noqa: BLE001  # passed to the reader, who raises it and waits no longer
            result = error
        finally:
            self._limit = None
        self._results.put_nowait(result)

    def _set_timeout(self, seconds: float) -> None:
        """Set the time until the next sign of life from the engine."""
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    def _missing(self) -> set[str]:
        """Blobs that are wanted and have not arrived."""
        return self._missing_configs | self._needed | ((self._wanted or set()) - self.sizes.keys())

    def _is_complete(self) -> bool:
        """Whether all blobs of a push have arrived; it ends when it is closed: its manifest and its tag are left."""
        return self._is_read_ahead and self._wanted is not None and not (self._uploads or self._missing())

    def _end_if_complete(self) -> None:
        if self._is_complete():
            self._results.put_nowait(None)

    def _pass_on(self, layer: SpooledLayer) -> _UploadedLayer:
        """Have a layer yielded by `layers`."""
        self._needed.discard(layer.diff_id)
        self.sizes[layer.diff_id] = layer.size
        uploaded = _UploadedLayer(layer)
        self._results.put_nowait(uploaded)
        return uploaded

    async def _chunks(self, layer: SpooledLayer) -> AsyncIterator[bytes]:
        try:
            async for chunk in layer.chunks():
                self.on_activity()
                yield chunk
        except ValueError as error:  # its file was closed with the push
            raise SourceUnusable("the push ended before its layers were read") from error

    async def _within_budget(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._uploaded += len(chunk)
            if self._budget is not None and self._uploaded > self._budget:
                raise SourceUnusable("the engine uploads layers that it should remember from earlier pushes")
            yield chunk


async def _document(layer: SpooledLayer) -> bytes:
    if layer.size > DOCUMENT_LIMIT:
        raise SourceUnusable(f"an image's config has {layer.size} bytes")
    return b"".join([chunk async for chunk in layer.chunks()])
