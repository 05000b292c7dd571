"""Counting what a transfer moves, image by image and layer by layer, and telling it, at most five times a second."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.events import (
    Emit,
    LayerFinished,
    LayerWay,
    TransferProgress,
    TransferStarted,
)
from ftl.image.transfer.progress.rate import Rate
from ftl.image.transfer.progress.result import TransferResult, report_finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EVERY = 0.2
"""Seconds between two events of progress for one image."""

_DOCUMENTS = 4096
"""About what an image weighs beside its layers, in bytes."""


@dataclass(slots=True)
class ImageProgress:
    """One image of a transfer; sizes are of uncompressed layers, in bytes.

    Attributes:
        layers: How many it has.
        needed: Those that the engine there lacks.
        expected: How much there is to send, estimated until it has passed.
        kept: Those that are needed and need not travel.
    """

    image: str
    layers: int
    needed: frozenset[str]
    expected: int
    kept: frozenset[str] = frozenset()
    layers_sent: int = 0
    layers_delta: int = 0
    layers_kept: int = 0
    saved: int = 0
    done: int = 0
    sent: int = 0
    told: float = 0.0
    rate: Rate = field(default_factory=Rate)


@dataclass(slots=True)
class _Layer:
    """The layer that is on its way."""

    diff_id: str
    sent_before: int
    way: LayerWay = "whole"
    size: int = 0
    instead_of: int = 0


class Meter:
    """The accounts of one transfer. A layer that several images need goes to the account of the first.

    Args:
        accounts: One for each image.
        emit: Told of the progress.
        sent: Compressed bytes that went to the wire before, in vain.
        in_step: What is handed over belongs to the layer at hand. Otherwise compressed blocks hold parts of several
            layers, and go out behind them.
        clock: Seconds.

    Attributes:
        sent: Compressed bytes that went to the wire.
    """

    def __init__(
        self,
        accounts: Iterable[ImageProgress],
        emit: Emit,
        *,
        sent: int = 0,
        in_step: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = list(accounts)
        self._emit = emit
        self._in_step = in_step
        self._clock = clock
        self._current = self._accounts[0]
        self._current.sent = sent
        self._layer: _Layer | None = None
        self._began = self._last = clock()
        self._in_vain = sent
        self.sent = sent

    def start(self) -> None:
        """Tell what is about to be sent."""
        self._began = self._last = self._clock()
        for one in self._accounts:
            reused = one.layers - len(one.needed) + len(one.kept)
            self._emit(TransferStarted(one.image, one.layers, reused, one.expected, len(one.kept)))

    def kept(self, diff_id: str, size: int, compressed: int) -> None:
        """A layer of so many bytes need not travel; compressed, it would have been so many."""
        account = self._account(diff_id)
        account.layers_kept += 1
        self._emit(LayerFinished(account.image, diff_id, "kept", size, 0, compressed))

    def layer(self, diff_id: str) -> None:
        """A layer sets out."""
        self._current = self._account(diff_id)
        self._layer = _Layer(diff_id, self.sent)
        self._current.rate.sample(self._clock(), self._current.done)

    def difference(self, instead_of: int) -> None:
        """The layer goes as a difference; whole, it would have been about so many compressed bytes."""
        if self._layer is not None:
            self._layer.way, self._layer.instead_of = "delta", instead_of

    def passed(self, count: int) -> None:
        """So many bytes of the layer were read."""
        self._current.done += count
        if self._layer is not None:
            self._layer.size += count
        self._tell()

    def handed_over(self, count: int) -> None:
        """So many compressed bytes went to the wire."""
        self.sent += count
        self._current.sent += count
        self._last = self._clock()
        self._tell()

    def layer_done(self) -> None:
        """All of the layer has passed."""
        account, layer, self._layer = self._current, self._layer, None
        if layer is None:
            return
        sent = self.sent - layer.sent_before if self._in_step else None
        account.layers_sent += 1
        if layer.way == "delta":
            account.layers_delta += 1
            account.saved += max(0, layer.instead_of - (sent or 0))
        instead_of = layer.instead_of if layer.way == "delta" else sent
        self._emit(LayerFinished(account.image, layer.diff_id, layer.way, layer.size, sent, instead_of))
        self._emit(self._progress(account))

    def finish(self, seconds: float) -> dict[str, TransferResult]:
        """The images are there."""
        return {account.image: self._finish(account, seconds) for account in self._accounts}

    def _finish(self, account: ImageProgress, seconds: float) -> TransferResult:
        self._emit(self._progress(account))
        took = self._last - self._began
        sent = TransferResult(
            image=account.image,
            layers_sent=account.layers_sent,
            layers_reused=account.layers - account.layers_sent,
            bytes_sent=self._share(account),
            seconds=seconds,
            bytes_saved=account.saved,
            layers_delta=account.layers_delta,
            layers_kept=account.layers_kept,
            link_speed=(self.sent - self._in_vain) / took if took > 0 and account.layers_sent else 0.0,
            loaded=True,
        )
        return report_finished(sent, self._emit)

    def _account(self, diff_id: str) -> ImageProgress:
        return next(account for account in self._accounts if diff_id in account.needed)

    def _tell(self) -> None:
        account, now = self._current, self._clock()
        if now - account.told >= _EVERY:
            account.told = now
            account.rate.sample(now, account.done)
            self._emit(self._progress(account))

    def _progress(self, account: ImageProgress) -> TransferProgress:
        layer = self._layer if account is self._current else None
        layers = len(account.needed) - len(account.kept)
        through = account.layers_sent == layers
        total = account.done if through else max(account.expected, account.done)
        return TransferProgress(
            image=account.image,
            bytes_done=account.done,
            bytes_total=total,
            bytes_sent=self._share(account),
            layers_done=account.layers_sent,
            layers_total=layers,
            layer=layer.diff_id if layer else None,
            way=layer.way if layer else None,
            speed=account.rate.speed,
            seconds_left=0.0 if through else account.rate.left(total),
        )

    def _share(self, account: ImageProgress) -> int:
        """The compressed bytes of one image; where blocks hold layers of several, they are shared out by size."""
        if self._in_step:
            return account.sent
        total = sum(each.done + _DOCUMENTS for each in self._accounts)
        return self.sent * (account.done + _DOCUMENTS) // total
