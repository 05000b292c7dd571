"""Images that must travel: one archive, loaded under temporary tags, verified, and only then named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.aio import both, to_the_end
from ftl.errors import EngineError, EngineUnavailable, TransferFailed
from ftl.events import Emit, Note
from ftl.image.transfer.compress import codec_for, compressed
from ftl.image.transfer.incoming import Doubt, Incoming
from ftl.image.transfer.layers import Held
from ftl.image.transfer.meter import Account, Meter, Sent
from ftl.image.transfer.pack import SPACE, Packing, no_room
from ftl.image.transfer.pump import pumped
from ftl.image.transfer.save import Saved, Wanted
from ftl.image.transfer.survey import matches, survey

if TYPE_CHECKING:
    from ftl.engine import Engine, EngineInfo, Image

FreeBytes = int | Callable[[], Awaitable[int]]
"""Bytes free where an engine keeps its images, or how to find out."""

_STALL = 900.0
"""Seconds in which something must move. The engine here may write a large image to disk before its first
byte, and the one there unpacks it after the last."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """An image to bring: its name there, its name here, and itself."""

    tag: str
    reference: str
    image: Image


class Shipment:
    """One transfer of images that a server does not have.

    Args:
        source: The engine here.
        target: The engine there.
        info: What the engine there says of itself.
        parcels: The images.
        emit: Told of the progress.
        free: The room there, if it is known.
        began: When the transfer began, by `time.monotonic`.
    """

    def __init__(
        self,
        source: Engine,
        target: Engine,
        info: EngineInfo,
        parcels: Sequence[Parcel],
        *,
        emit: Emit,
        free: FreeBytes | None,
        began: float,
    ) -> None:
        self._source = source
        self._target = target
        self._info = info
        self._parcels = parcels
        self._emit = emit
        self._free = free
        self._began = began
        self._sent = 0

    async def run(self, held: Held) -> dict[str, Sent]:
        """Send what is not held; if the engine there makes something else of it, send everything, once.

        Raises:
            TransferFailed: No name there has moved.
        """
        wanted, free = await both(self._wanted(), self._room())
        try:
            return await self._attempt(wanted, held, free)
        except Doubt as doubt:
            if not any(any(held.of(image.layers)) for image in wanted):
                raise self._failed(doubt) from doubt
            self._emit(
                Note(
                    f"{self._target.name} lacks layers that it seemed to have: sending the whole image",
                    level="warning",
                    hint=str(doubt),
                )
            )
        try:
            return await self._attempt(wanted, Held(held.store), free)
        except Doubt as doubt:
            raise self._failed(doubt) from doubt

    async def _wanted(self) -> list[Wanted]:
        if (await self._source.info()).store == "containerd":
            images = {parcel.reference: parcel.image.id for parcel in self._parcels}
            async with aclosing(self._saved()) as stream:
                return await survey(stream, images, self._info.platform)
        for parcel in self._parcels:
            if not matches(parcel.image.platform, self._info.platform):
                text = f"{parcel.tag} is for {parcel.image.platform}, {self._target.name} is {self._info.platform}"
                self._emit(Note(text, level="warning", hint="It runs there only where that is emulated."))
        return [Wanted(parcel.reference, parcel.image.id, parcel.image.layers) for parcel in self._parcels]

    async def _room(self) -> int | None:
        return await self._free() if callable(self._free) else self._free

    async def _attempt(self, wanted: Sequence[Wanted], held: Held, free: int | None) -> dict[str, Sent]:
        incoming = Incoming(self._target, len(wanted))
        meter = Meter(await self._accounts(wanted, held, free), self._emit, sent=self._sent)
        needed = frozenset[str]().union(*(held.lacks(image.layers) for image in wanted))
        async with aclosing(self._saved()) as stream:
            saved = Saved(stream, wanted, needed, measure=self._info.store == "containerd")
            images = dict(zip(incoming.tags, wanted, strict=True))
            packing = Packing(saved, images, meter, free=free, server=self._target.name)
            meter.start()
            try:
                await self._load(packing.stream(), meter)
                layers = {tag: image.layers for tag, image in images.items()}
                await incoming.verify(packing.ids(self._info.store), layers)
                for temporary, parcel in zip(incoming.tags, self._parcels, strict=True):
                    await self._target.tag(temporary, parcel.tag)
            finally:
                self._sent = meter.sent
                await incoming.discard()
        return meter.finish(time.monotonic() - self._began)

    async def _accounts(self, wanted: Sequence[Wanted], held: Held, free: int | None) -> list[Account]:
        sizes = await to_the_end(self._source.layer_sizes(parcel.image.id) for parcel in self._parcels)
        accounts: list[Account] = []
        for parcel, image, steps in zip(self._parcels, wanted, sizes, strict=True):
            needed = held.lacks(image.layers)
            held = held.adding([image.layers])
            expected = expected_size(image.layers, needed, steps)
            accounts.append(Account(parcel.tag, len(image.layers), needed, expected))
            # Only a whole image's size is known before its layers pass.
            if free is not None and needed >= set(image.layers) and SPACE * expected > free:
                raise no_room(self._target.name, SPACE * expected, free)
        return accounts

    async def _load(self, archive: AsyncGenerator[bytes, None], meter: Meter) -> None:
        """Hand the archive over; a load that the engine refuses is a Doubt, unless the reason is plain."""
        try:
            async with (
                pumped(compressed(archive, codec_for(self._info))) as chunks,
                asyncio.timeout(_STALL) as limit,
            ):
                await self._target.load(_counted(chunks, meter, limit))
        except TimeoutError as error:
            raise self._failed(f"nothing moved for {_STALL / 60:.0f} minutes") from error
        except EngineUnavailable as error:
            raise self._failed(error.cause or error.message) from error
        except EngineError as error:
            words = error.cause or error.message
            if "no space left on device" in words.lower():
                raise self._failed(words, error.hint) from error
            raise Doubt(words) from error

    async def _saved(self) -> AsyncGenerator[bytes, None]:
        """What the engine here saves; its errors are told from those of the engine there.

        By ID: a name may move to another image meanwhile, when another build uses it.
        """
        references = [parcel.reference for parcel in self._parcels]
        try:
            async with aclosing(self._source.save([parcel.image.id for parcel in self._parcels])) as stream:
                async for piece in stream:
                    yield piece
        except EngineError as error:
            raise TransferFailed(
                f"{', '.join(references)} cannot be read from the engine on {self._source.name}",
                cause=error.cause or error.message,
                hint=error.hint,
            ) from error

    def _failed(self, cause: object, hint: str | None = None) -> TransferFailed:
        names = ", ".join(parcel.tag for parcel in self._parcels)
        return TransferFailed(
            f"{names} could not be loaded on {self._target.name}; nothing was tagged there",
            cause=str(cause),
            hint=hint,
        )


async def _counted(
    stream: AsyncIterator[bytes], meter: Meter, limit: asyncio.Timeout
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    async for piece in stream:
        limit.reschedule(loop.time() + _STALL)
        meter.handed_over(len(piece))
        yield piece


def expected_size(layers: Sequence[str], needed: frozenset[str], sizes: Sequence[int]) -> int:
    """About how many bytes there are to send, for the display.

    Args:
        layers: diffIDs, lowest first.
        needed: Those to send.
        sizes: Of the steps of the build, lowest first, as the engine tells them: 0 for a step that made no layer,
            without saying which did. So an empty layer shifts the sizes above it by a place.
    """
    from_the_top = zip(reversed(layers), reversed([size for size in sizes if size]), strict=False)
    return sum({layer: size for layer, size in from_the_top if layer in needed}.values())
