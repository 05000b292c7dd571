"""Queue of images for a server: one transfer at a time, each layer sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from ftl.aio import gather_all
from ftl.errors import FtlError
from ftl.image.transfer.send import send_many

if TYPE_CHECKING:
    from types import TracebackType

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo
    from ftl.events import Emit
    from ftl.image.transfer.progress.result import TransferResult
    from ftl.image.transfer.sources.read_ahead import ReadAhead
    from ftl.ssh.machine import Machine

Send = Callable[[Mapping[str, str], Mapping[str, bool]], Awaitable[Mapping[str, "TransferResult"]]]
"""Function that sends images in one transfer.

It gets the images (tag on the server -> local name) and what earlier transfers loaded (ID there -> true).
"""


class Sender:
    """Sends images from an engine to a server: `send_many` with all but the images given.

    Args:
        source: The local engine.
        target: The server's engine.
        info: Its version, store and platform.
        machine: The server.
        emit: Receives progress events.
        lock: The name of the server lock that the caller holds.
        ahead: Reads images already that will likely be sent.
    """

    def __init__(
        self,
        source: Engine,
        target: Engine,
        info: EngineInfo,
        machine: Machine,
        emit: Emit,
        *,
        lock: str,
        ahead: ReadAhead | None = None,
    ) -> None:
        self._source = source
        self._target = target
        self._info = info
        self._machine = machine
        self._emit = emit
        self._lock = lock
        self._ahead = ahead
        self._loaded: dict[str, bool] = {}

    async def send(
        self, images: Mapping[str, str], loaded_by_ftl: Mapping[str, bool]
    ) -> Mapping[str, TransferResult]:
        """Send images in one transfer, and remember which are on the server by that.

        An engine with a containerd store does not say which blobs it has.
        """
        results = await send_many(
            self._source,
            images,
            self._target,
            info=self._info,
            emit=self._emit,
            machine=self._machine,
            loaded_by_ftl={**loaded_by_ftl, **self._loaded},
            lock=self._lock,
            ahead=self._ahead,
        )
        if self._info.store == "containerd":
            tags = [tag for tag, result in results.items() if result.loaded]
            for image in await gather_all(self._target.image(tag) for tag in tags):
                if image is not None:
                    self._loaded[image.id] = True
        return results


class Urgency(IntEnum):
    """The order of images in a transfer: what a deploy starts first goes first."""

    PROXY = 0
    DEPENDENCY = 1
    SERVICE = 2


@dataclass(slots=True)
class _Request:
    """Images that one step waits for, and what became of them."""

    images: Mapping[str, str]
    loaded_by_ftl: Mapping[str, bool]
    urgency: Urgency
    results: dict[str, TransferResult] = field(default_factory=dict)
    error: FtlError | None = None
    done: bool = False


class Expectation:
    """An image that may have to be sent; a context manager, ended at the latest when it is left."""

    def __init__(self, queue: TransferQueue) -> None:
        self._queue = queue
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """The image need not be sent, or is about to be."""
        if not self._ended:
            self._ended = True
            self._queue.expectation_ended()


class TransferQueue:
    """Sends images that several steps need, to one server.

    Images that are asked for while a transfer runs travel together in the next. So a layer that several images have
    is sent once, and the transfers of a deploy share neither the link nor the connection's sessions. Steps that do not
    know yet whether an image must be sent say so (`expect`); others wait for them a little.

    Args:
        send: Sends images in one transfer.
        sending: The lock of the server, where several engines send to it.
    """

    def __init__(self, send: Send, sending: asyncio.Lock | None = None) -> None:
        self._send = send
        self._sending = sending or asyncio.Lock()
        self._waiting: list[_Request] = []
        self._expected = 0
        self._decided = asyncio.Event()
        self._decided.set()

    def expect(self) -> Expectation:
        """Announce an image that may have to be sent, such as one whose pull has not begun."""
        self._expected += 1
        self._decided.clear()
        return Expectation(self)

    def expectation_ended(self) -> None:
        """Let requests go on that waited for this one."""
        self._expected -= 1
        if not self._expected:
            self._decided.set()

    async def send(
        self,
        images: Mapping[str, str],
        *,
        loaded_by_ftl: Mapping[str, bool] | None = None,
        patience: float = 0.0,
        urgency: Urgency = Urgency.SERVICE,
    ) -> dict[str, TransferResult]:
        """Send images; see `send_many`.

        Args:
            images: The tag to set on the server -> the local name.
            loaded_by_ftl: ID of an image there -> whether an earlier transfer loaded it.
            patience: Seconds to wait for expected images, to travel together.
            urgency: Images of the same transfer go in this order.

        Raises:
            TransferFailed: An image of the same transfer was not sent.
            EngineError: An engine does not answer, or refuses a request.
        """
        request = _Request(images, loaded_by_ftl or {}, urgency)
        self._waiting.append(request)
        try:
            await asyncio.sleep(0)  # for steps that begin in the same moment
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._decided.wait()
            async with self._sending:
                if not request.done:
                    await self._send_waiting()
        finally:
            if not request.done:  # cancelled
                self._waiting.remove(request)
        if request.error is not None:
            raise request.error
        return request.results

    async def _send_waiting(self) -> None:
        """Send all that waits, for all who wait; if that is cancelled, the next of them does it again."""
        batch = list(self._waiting)
        in_order = sorted(batch, key=lambda request: request.urgency)
        images = {tag: reference for request in in_order for tag, reference in request.images.items()}
        loaded = {each: ours for request in batch for each, ours in request.loaded_by_ftl.items()}
        results: Mapping[str, TransferResult] = {}
        error: FtlError | None = None
        try:
            results = await self._send(images, loaded)
        except FtlError as failure:
            error = failure
        for request in batch:
            if request in self._waiting:  # not cancelled meanwhile
                request.results = {tag: results[tag] for tag in request.images if tag in results}
                request.error = error
                request.done = True
                self._waiting.remove(request)
