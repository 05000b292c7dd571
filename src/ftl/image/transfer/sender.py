"""Sending of images to the servers of a project: once from here, and from server to server.

Images that several servers lack go to the first of them, which passes the same stream on to the others. What one server
alone lacks, what is small, and what a server could not get from its neighbour goes straight there from here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.errors import FtlError
from ftl.events import Note, TransferFinished, TransferProgress, TransferStarted
from ftl.image.transfer.destination import combined
from ftl.image.transfer.inventory import TargetServer, take_inventory
from ftl.image.transfer.presence import estimated_sizes
from ftl.image.transfer.progress.result import TransferResult, report_finished
from ftl.image.transfer.relay import Relay
from ftl.image.transfer.send import send_missing
from ftl.image.transfer.sources.local_engine import LocalEngine
from ftl.image.transfer.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.events import Emit, Event
    from ftl.image.transfer.destination import Destination, PendingImage
    from ftl.image.transfer.inventory import Inventory
    from ftl.image.transfer.queue import BatchOutcome, ServerImages
    from ftl.image.transfer.sources.read_ahead import ReadAhead

SMALL = 64 << 10
"""Bytes of layers below which they go straight to each server.

Over any link that is sooner than servers reach each other."""


class Sender:
    """Sends images from an engine to servers, and from server to server.

    Args:
        lock: The name of the server lock that the caller holds.
        network: The network that containers of all servers may join; empty with one server.
        ahead: Reads images already that will likely be sent.
    """

    def __init__(
        self, source: Engine, emit: Emit, *, lock: str, network: str = "", ahead: ReadAhead | None = None
    ) -> None:
        self._source = source
        self._emit = emit
        self._lock = lock
        self._network = network
        self._ahead = ahead
        self._targets: dict[str, TargetServer] = {}
        self._loaded: dict[str, dict[str, bool]] = defaultdict(dict)

    def add(self, server: str, target: TargetServer) -> None:
        """Have a server that images may be sent to."""
        self._targets[server] = target

    async def send(self, batches: Sequence[ServerImages]) -> Mapping[str, BatchOutcome]:
        """Send images to servers: server -> tag -> result, or its error.

        Remembers which images are on a server by that.

        An engine with a containerd store does not say which blobs it has.
        """
        known = [*self._targets]
        batches = sorted(batches, key=lambda each: known.index(each.server))
        results = await self._run([self._addressed(each) for each in batches])
        outcomes = dict(zip((each.server for each in batches), results, strict=True))
        await gather_all(self._remember(server, outcome) for server, outcome in outcomes.items())
        return outcomes

    def _addressed(self, batch: ServerImages) -> _Addressed:
        server = batch.server
        loaded = {**batch.loaded_by_ftl, **self._loaded[server]}
        emit = self._emit
        return _Addressed(
            self._targets[server], batch.images, loaded, _named(emit, server) if self._network else emit
        )

    async def _remember(self, server: str, outcome: BatchOutcome) -> None:
        target = self._targets[server]
        if target.info.store != "containerd" or isinstance(outcome, FtlError):
            return
        tags = [tag for tag, result in outcome.items() if result.loaded]
        for image in await gather_all(target.engine.image(tag) for tag in tags):
            if image is not None:
                self._loaded[server][image.id] = True

    async def _run(self, addressed: Sequence[_Addressed]) -> list[BatchOutcome]:
        """Send to all; for each server the results, or its error."""
        await gather_all(self._take_inventory(each) for each in addressed)
        if self._network:
            for servers, images in _shared(addressed):
                await self._fan_out(servers, images)
        return await gather_all(self._send_rest(each) for each in addressed)

    async def _take_inventory(self, each: _Addressed) -> None:
        try:
            each.found = await self._look(each, each.images)
        except FtlError as error:
            each.error = error

    async def _look(self, each: _Addressed, images: Mapping[str, str]) -> Inventory:
        return await take_inventory(
            self._source, images, each.target, emit=each.emit, loaded_by_ftl=each.loaded, lock=self._lock
        )

    async def _send_rest(self, each: _Addressed) -> BatchOutcome:
        """Send a server its still missing images from this machine; its results, or its error."""
        found = each.found
        if each.error is not None or found is None:
            return each.error or {}
        try:
            if not each.results:
                return await send_missing(self._source, found, ahead=self._ahead)
            rest = {image.tag: image.reference for image in found.distinct if image.tag not in each.results}
            try:
                if rest:  # it has more than before
                    again = await self._look(each, rest)
                    each.results |= await send_missing(self._source, again, ahead=self._ahead)
                return await found.finish(each.results)
            finally:
                await found.clean()
        except FtlError as error:
            return error

    async def _fan_out(self, servers: Sequence[_Addressed], images: Sequence[PendingImage]) -> None:
        """Send images that several servers lack to one of them, which passes them on."""
        able = [each for each in servers if each.error is None and _destination(each).can_relay]
        if len(able) < 2 or await self._is_small([_destination(each) for each in able], images):
            return
        by_name = {each.name: each for each in able}
        first = able[0]
        async with Relay(self._network, [_destination(each) for each in able], self._lock) as relay:
            if relay.joined:
                await self._send_through(relay, first, images)
        for server in relay.finished:
            self._passed_on(by_name[server.name], images, first)
        for name, reason in relay.lost.items():
            text = f"{name} did not get the images from {first.name}: sending them from here"
            first.emit(Note(text, "warning", reason))

    async def _send_through(self, relay: Relay, first: _Addressed, images: Sequence[PendingImage]) -> None:
        assert first.found is not None
        others = " and ".join(sorted(server.name for server in relay.joined))
        first.emit(Note(f"images are sent to {first.name}, and from there to {others}"))
        transfer = Transfer(
            self._source,
            combined([first.found.destination, *relay.joined]),
            images,
            emit=first.emit,
            began=first.found.began,
            local_engine=LocalEngine(self._source, first.target.info.platform, None, self._ahead),
            lock=self._lock,
            relay=relay,
        )
        try:
            first.results |= await transfer.run()
        except FtlError as error:
            first.error = error
            return
        first.found = replace(first.found, destination=first.found.destination.with_images(images))

    @staticmethod
    def _passed_on(each: _Addressed, images: Sequence[PendingImage], first: _Addressed) -> None:
        """Report images that a server got from another one."""
        assert each.found is not None
        for image in images:
            sent = first.results.get(image.tag)
            result = TransferResult(
                image=image.tag,
                layers_sent=0,
                layers_reused=len(image.image.layers),
                bytes_sent=0,
                seconds=sent.seconds if sent is not None else 0.0,
                loaded=True,
                bytes_fanned_out=sent.bytes_sent if sent is not None else 0,
            )
            each.results[image.tag] = report_finished(result, each.emit)
        each.found = replace(each.found, destination=each.found.destination.with_images(images))

    async def _is_small(self, servers: Sequence[Destination], images: Sequence[PendingImage]) -> bool:
        """Whether the layers that must be sent are too small to be passed on."""
        common = combined(servers)
        sizes = await gather_all(self._source.layer_sizes(each.image.id) for each in images)
        needed: dict[str, int] = {}
        for each, steps in zip(images, sizes, strict=True):
            estimated = estimated_sizes(each.image.layers, steps)
            missing = common.present.missing(each.image.layers) - common.capabilities.cached.keys()
            needed |= {layer: estimated[layer] for layer in missing}
        return sum(needed.values()) < SMALL


def _named(emit: Emit, server: str) -> Emit:
    """Events of a transfer with the name of its server."""

    def report(event: Event) -> None:
        if isinstance(event, (TransferStarted, TransferProgress, TransferFinished)):
            event = replace(event, server=server)
        emit(event)

    return report


class _Addressed:
    """Images on their way to one server; `results` are by tag, of those passed on to it or by it."""

    def __init__(
        self, target: TargetServer, images: Mapping[str, str], loaded: Mapping[str, bool], emit: Emit
    ) -> None:
        self.target = target
        self.images = images
        self.loaded = loaded
        self.emit = emit
        self.found: Inventory | None = None
        self.results: dict[str, TransferResult] = {}
        self.error: FtlError | None = None

    @property
    def name(self) -> str:
        return self.target.engine.name


def _destination(each: _Addressed) -> Destination:
    assert each.found is not None
    return each.found.destination


def _shared(addressed: Sequence[_Addressed]) -> list[tuple[list[_Addressed], list[PendingImage]]]:
    """Images by the servers that lack them, of several servers; those that go first come first."""
    lacking: dict[str, list[_Addressed]] = defaultdict(list)
    images: dict[str, PendingImage] = {}
    for each in addressed:
        for image in each.found.distinct if each.found is not None else ():
            lacking[image.tag].append(each)
            images[image.tag] = image
    groups: dict[tuple[str, ...], tuple[list[_Addressed], list[PendingImage]]] = {}
    for tag, servers in lacking.items():
        if len(servers) > 1:
            key = tuple(each.name for each in servers)
            groups.setdefault(key, (servers, []))[1].append(images[tag])
    return list(groups.values())
