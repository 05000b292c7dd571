"""Queue of images for servers: one transfer at a time, each layer sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from ftl.errors import FtlError

if TYPE_CHECKING:
    from ftl.image.transfer.progress.result import TransferResult


@dataclass(frozen=True, slots=True)
class ServerImages:
    """Images for one server: tag to set there -> local name; as in `TransferQueue.send`."""

    server: str
    images: Mapping[str, str]
    loaded_by_ftl: Mapping[str, bool]


BatchOutcome = Mapping[str, "TransferResult"] | FtlError
"""Outcome of a batch: tag -> result, or why it failed."""

Send = Callable[[Sequence[ServerImages]], Awaitable[Mapping[str, BatchOutcome]]]
"""Function that sends images to servers in one transfer: server -> outcome."""


class Urgency(IntEnum):
    """The order of images in a transfer: those for the first steps of a deploy go first."""

    PROXY = 0
    DEPENDENCY = 1
    SERVICE = 2


@dataclass(slots=True)
class _Request:
    """Pending request of one step, with its result."""

    server: str
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

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """The image need not be sent, or is about to be."""
        if not self._ended:
            self._ended = True
            self._queue.expectation_ended()


class TransferQueue:
    """Sends images that several steps need, to one server or several.

    Images that are asked for while a transfer runs travel together in the next. So a layer that several images have
    is sent once, and the transfers of a deploy share neither the link nor the connection's sessions. Steps that do not
    know yet whether an image must be sent say so (`expect`); others wait for them a little.
    `sending` is a lock, where several engines send to the same servers.
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
        """Release the requests that waited for this one."""
        self._expected -= 1
        if not self._expected:
            self._decided.set()

    async def send(
        self,
        images: Mapping[str, str],
        *,
        server: str = "",
        loaded_by_ftl: Mapping[str, bool] | None = None,
        patience: float = 0.0,
        urgency: Urgency = Urgency.SERVICE,
    ) -> dict[str, TransferResult]:
        """Send images (the tag to set on the server -> the local name) to a server.

        `loaded_by_ftl` is ID of an image there -> whether an earlier transfer loaded it. For `patience` seconds
        expected images are waited for, to travel together; those of the same transfer go by their `urgency`.

        Raises:
            TransferFailed: An image of the same transfer was not sent.
            EngineError: An engine does not answer, or refuses a request.
        """
        request = _Request(server, images, loaded_by_ftl or {}, urgency)
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
        servers = dict.fromkeys(request.server for request in batch)
        outcomes: Mapping[str, BatchOutcome] = {}
        try:
            outcomes = await self._send([_images_for(server, batch) for server in servers])
        except FtlError as failure:
            outcomes = dict.fromkeys(servers, failure)
        for request in batch:
            if request in self._waiting:  # not cancelled meanwhile
                outcome = outcomes[request.server]
                if isinstance(outcome, FtlError):
                    request.error = outcome
                else:
                    request.results = {tag: outcome[tag] for tag in request.images if tag in outcome}
                request.done = True
                self._waiting.remove(request)


def _images_for(server: str, batch: Sequence[_Request]) -> ServerImages:
    """Union of several requests for one server, the most urgent first."""
    own = sorted((each for each in batch if each.server == server), key=lambda request: request.urgency)
    return ServerImages(
        server,
        {tag: reference for request in own for tag, reference in request.images.items()},
        {image: ours for request in own for image, ours in request.loaded_by_ftl.items()},
    )
