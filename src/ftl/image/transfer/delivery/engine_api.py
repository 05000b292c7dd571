"""Two ways into a server: the engine's API through the forwarded socket, and a script that feeds the engine there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from ftl.errors import EngineError, EngineUnavailable
from ftl.image.transfer.delivery.background import run_in_background
from ftl.image.transfer.delivery.compress import codec_for, compress_stream
from ftl.image.transfer.delivery.refusals import load_failed, load_refused
from ftl.image.transfer.pack import RawBytes
from ftl.image.transfer.sources.source import LayerStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo
    from ftl.image.transfer.pack import ArchivePart
    from ftl.image.transfer.progress.meter import Meter

STALL = 900.0
"""Seconds in which something must move. The engine here may write a large image to disk before its first
byte, and the one there unpacks it after the last."""


class Delivery(Protocol):
    """A way to hand an archive to the engine there."""

    async def deliver(self, parts: AsyncGenerator[ArchivePart, None]) -> None:
        """Hand over the archive, and have it loaded.

        Raises:
            Doubt: The engine refused it; another archive may do.
            TransferFailed: No other archive would do.
        """
        ...


class EngineApiDelivery:
    """`POST /images/load`: works wherever the engine answers. It keeps no layers, so all parts come from here.

    Args:
        target: The engine.
        info: What it says of itself.
        meter: Told what passes.
    """

    def __init__(self, target: Engine, info: EngineInfo, meter: Meter) -> None:
        self._target = target
        self._info = info
        self._meter = meter

    async def deliver(self, parts: AsyncGenerator[ArchivePart, None]) -> None:
        """Send the archive as one compressed stream; see Door."""
        archive = compress_stream(flatten(parts, self._meter), codec_for(self._info))
        try:
            async with run_in_background(archive) as chunks, asyncio.timeout(STALL) as limit:
                await self._target.load(_counted(chunks, self._meter, limit))
        except TimeoutError as error:
            raise load_failed(self._target.name, f"nothing moved for {STALL / 60:.0f} minutes") from error
        except EngineUnavailable as error:
            raise load_failed(self._target.name, error.cause or error.message) from error
        except EngineError as error:
            raise load_refused(self._target.name, error.cause or error.message) from error


async def flatten(parts: AsyncGenerator[ArchivePart, None], meter: Meter) -> AsyncGenerator[bytes, None]:
    """The archive as one stream of bytes, for an engine that keeps no layers beside its images."""
    async for part in parts:
        if isinstance(part, RawBytes):
            yield part.content
        elif isinstance(part, LayerStream):
            async for piece in part.pieces:
                meter.passed(len(piece))
                yield piece
        else:
            raise TypeError("an engine keeps no layers beside its images")


async def _counted(
    stream: AsyncIterator[bytes], meter: Meter, limit: asyncio.Timeout
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    async for piece in stream:
        limit.reschedule(loop.time() + STALL)
        meter.handed_over(len(piece))
        yield piece
