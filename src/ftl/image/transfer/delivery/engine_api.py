"""Delivery by the engine's API: `POST /images/load` through the forwarded socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.errors import EngineError, EngineUnavailable
from ftl.image.transfer.delivery.background import run_in_background
from ftl.image.transfer.delivery.compress import codec_for, compress_stream
from ftl.image.transfer.delivery.delivery import STALL_SECONDS, load_failed, load_refused
from ftl.image.transfer.pack import RawBytes
from ftl.image.transfer.sources.source import LayerStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo
    from ftl.image.transfer.pack import ArchivePart
    from ftl.image.transfer.progress.meter import Meter


class EngineApiDelivery:
    """Delivery to any engine; without a cache of layers, so all parts are sent from here."""

    def __init__(self, engine: Engine, info: EngineInfo, meter: Meter) -> None:
        self._engine = engine
        self._info = info
        self._meter = meter

    async def deliver(self, parts: AsyncGenerator[ArchivePart, None]) -> None:
        """Send the archive as one compressed stream; see `Delivery`."""
        archive = compress_stream(flatten(parts, self._meter), codec_for(self._info))
        server = self._engine.name
        try:
            async with run_in_background(archive) as chunks, asyncio.timeout(STALL_SECONDS) as limit:
                await self._engine.load(_counted(chunks, self._meter, limit))
        except TimeoutError as error:
            raise load_failed(server, f"nothing moved for {STALL_SECONDS / 60:.0f} minutes") from error
        except EngineUnavailable as error:
            raise load_failed(server, error.cause or error.message) from error
        except EngineError as error:
            raise load_refused(server, error.cause or error.message) from error


async def flatten(parts: AsyncGenerator[ArchivePart, None], meter: Meter) -> AsyncGenerator[bytes, None]:
    """Flatten the archive to one stream of bytes, for an engine without a cache of layers."""
    async for part in parts:
        if isinstance(part, RawBytes):
            yield part.content
        elif isinstance(part, LayerStream):
            async for chunk in part.chunks:
                meter.bytes_read(len(chunk))
                yield chunk
        else:
            raise TypeError("the engine's API has no cache of layers")


async def _counted(
    stream: AsyncIterator[bytes], meter: Meter, limit: asyncio.Timeout
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    async for chunk in stream:
        limit.reschedule(loop.time() + STALL_SECONDS)
        meter.bytes_sent(len(chunk))
        yield chunk
