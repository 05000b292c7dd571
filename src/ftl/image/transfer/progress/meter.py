"""Meter of a transfer's bytes, per image and layer: emits events five times a second."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.events import Emit, LayerFinished, LayerWay, TransferProgress, TransferStarted
from ftl.image.transfer.progress.result import TransferResult, report_finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_INTERVAL = 0.2
"""Seconds between two progress events of one image."""

_DOCUMENTS = 4096
"""Approximate size of an image without its layers, in bytes."""

RATE_WINDOW = 5.0
"""Seconds over which speed is measured: shows a slower link, but not a short pause."""

SETTLED = 2.0
"""Seconds after which the speed is that of the link, not that of connecting."""

_FEWEST = 256 << 10
"""Bytes from which on a speed says something of the rest, or a hundredth of it."""


class Rate:
    """Speed of a growing count over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._first: tuple[float, int] | None = None

    def sample(self, now: float, done: int) -> None:
        """Record the count at a time, in seconds."""
        self._first = self._first or (now, done)
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW:
            self._samples.popleft()

    @property
    def speed(self) -> float:
        """Counts a second; 0 while unknown."""
        if len(self._samples) < 2:
            return 0.0
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        return (after - before) / (end - start) if end > start else 0.0

    def seconds_left(self, total: int) -> float | None:
        """Seconds until the total is reached; None until the speed means something."""
        if self._first is None or self.speed <= 0:
            return None
        (start, before), (now, done) = self._first, self._samples[-1]
        if now - start < SETTLED or done - before < min(_FEWEST, total / 100):
            return None
        return max(0, total - done) / self.speed


@dataclass(slots=True)
class ImageProgress:
    """Progress of one image; sizes are of uncompressed layers, in bytes.

    Attributes:
        needed: diffIDs that the server's engine lacks.
        expected: How much there is to send, estimated until it has been read.
        cached: diffIDs that are needed and are in the server's cache.
        layers_cached: How many layers came out of the cache so far.
        bytes_saved: Compressed bytes that deltas have saved.
        bytes_sent: Compressed bytes written to the network so far.
        reported: When the last progress event was emitted.
    """

    image: str
    layers: int
    needed: frozenset[str]
    expected: int
    cached: frozenset[str] = frozenset()
    layers_sent: int = 0
    layers_delta: int = 0
    layers_cached: int = 0
    bytes_saved: int = 0
    bytes_read: int = 0
    bytes_sent: int = 0
    reported: float = 0.0
    rate: Rate = field(default_factory=Rate)


@dataclass(slots=True)
class _LayerProgress:
    """The layer that is being sent.

    Attributes:
        sent_before: Compressed bytes of the transfer before this layer.
        size: Bytes of it read so far.
        whole_size: About how many compressed bytes it would take without a delta.
    """

    diff_id: str
    sent_before: int
    way: LayerWay = "whole"
    size: int = 0
    whole_size: int = 0


class Meter:
    """Counter of one transfer; a layer that several images need counts for the first.

    Args:
        sent: Compressed bytes that earlier attempts have written to the network.
        exact_layers: Bytes that are sent belong to the current layer. Otherwise compressed blocks hold parts of
            several layers, and are sent later than their layers are read.

    Attributes:
        sent: Compressed bytes written to the network, with those of earlier attempts.
    """

    def __init__(
        self,
        images: Iterable[ImageProgress],
        emit: Emit,
        *,
        sent: int = 0,
        exact_layers: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._images = list(images)
        self._emit = emit
        self._exact_layers = exact_layers
        self._clock = clock
        self._current = self._images[0]
        self._current.bytes_sent = sent
        self._layer: _LayerProgress | None = None
        self._began = self._last_sent = clock()
        self._sent_in_vain = sent
        self.sent = sent

    def start(self) -> None:
        """Emit the start of the transfer, with the layers and bytes that each image needs."""
        self._began = self._last_sent = self._clock()
        for image in self._images:
            reused = image.layers - len(image.needed) + len(image.cached)
            self._emit(TransferStarted(image.image, image.layers, reused, image.expected, len(image.cached)))

    def layer_cached(self, diff_id: str, size: int, compressed_size: int) -> None:
        """A layer comes out of the server's cache and is not sent."""
        image = self._image_of(diff_id)
        image.layers_cached += 1
        self._emit(LayerFinished(image.image, diff_id, "kept", size, 0, compressed_size))

    def layer_started(self, diff_id: str) -> None:
        """A layer is about to be sent."""
        self._current = self._image_of(diff_id)
        self._layer = _LayerProgress(diff_id, self.sent)
        self._current.rate.sample(self._clock(), self._current.bytes_read)

    def layer_is_delta(self, whole_size: int) -> None:
        """The current layer is sent as a delta; whole, it would take about `whole_size` bytes."""
        if self._layer is not None:
            self._layer.way, self._layer.whole_size = "delta", whole_size

    def bytes_read(self, count: int) -> None:
        """Count bytes of the current layer that were read."""
        self._current.bytes_read += count
        if self._layer is not None:
            self._layer.size += count
        self._report()

    def bytes_sent(self, count: int) -> None:
        """Count compressed bytes that were written to the network."""
        self.sent += count
        self._current.bytes_sent += count
        self._last_sent = self._clock()
        self._report()

    def layer_finished(self) -> None:
        """All of the current layer has been read."""
        image, layer, self._layer = self._current, self._layer, None
        if layer is None:
            return
        sent = self.sent - layer.sent_before if self._exact_layers else None
        image.layers_sent += 1
        if layer.way == "delta":
            image.layers_delta += 1
            image.bytes_saved += max(0, layer.whole_size - (sent or 0))
        whole_size = layer.whole_size if layer.way == "delta" else sent
        self._emit(LayerFinished(image.image, layer.diff_id, layer.way, layer.size, sent, whole_size))
        self._emit(self._progress(image))

    def finish(self, seconds: float) -> dict[str, TransferResult]:
        """Emit that the images are on the server; returns the results by tag."""
        return {image.image: self._finish(image, seconds) for image in self._images}

    def _finish(self, image: ImageProgress, seconds: float) -> TransferResult:
        self._emit(self._progress(image))
        sending = self._last_sent - self._began
        result = TransferResult(
            image=image.image,
            layers_sent=image.layers_sent,
            layers_reused=image.layers - image.layers_sent,
            bytes_sent=self._share(image),
            seconds=seconds,
            bytes_saved=image.bytes_saved,
            layers_delta=image.layers_delta,
            layers_kept=image.layers_cached,
            link_speed=(self.sent - self._sent_in_vain) / sending
            if sending > 0 and image.layers_sent
            else 0.0,
            loaded=True,
        )
        return report_finished(result, self._emit)

    def _image_of(self, diff_id: str) -> ImageProgress:
        return next(image for image in self._images if diff_id in image.needed)

    def _report(self) -> None:
        image, now = self._current, self._clock()
        if now - image.reported >= _INTERVAL:
            image.reported = now
            image.rate.sample(now, image.bytes_read)
            self._emit(self._progress(image))

    def _progress(self, image: ImageProgress) -> TransferProgress:
        layer = self._layer if image is self._current else None
        layers = len(image.needed) - len(image.cached)
        is_complete = image.layers_sent == layers
        total = image.bytes_read if is_complete else max(image.expected, image.bytes_read)
        return TransferProgress(
            image=image.image,
            bytes_done=image.bytes_read,
            bytes_total=total,
            bytes_sent=self._share(image),
            layers_done=image.layers_sent,
            layers_total=layers,
            layer=layer.diff_id if layer else None,
            way=layer.way if layer else None,
            speed=image.rate.speed,
            seconds_left=0.0 if is_complete else image.rate.seconds_left(total),
        )

    def _share(self, image: ImageProgress) -> int:
        """The compressed bytes of one image; where blocks hold layers of several, they are shared out by size."""
        if self._exact_layers:
            return image.bytes_sent
        total = sum(other.bytes_read + _DOCUMENTS for other in self._images)
        return self.sent * (image.bytes_read + _DOCUMENTS) // total
