"""Counting what a transfer moves, image by image, and telling it, at most five times a second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.events import Emit, TransferFinished, TransferProgress, TransferStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EVERY = 0.2
"""Seconds between two events of progress for one image."""

_DOCUMENTS = 4096
"""About what an image weighs beside its layers, in bytes."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What it took to bring an image to a server.

    Attributes:
        image: Its name there.
        layers_sent: Layers that travelled.
        layers_reused: Layers that the server had, or that another image of the same transfer brought.
        bytes_sent: Compressed bytes handed to the wire.
        seconds: From the first question to the tag.
        bytes_saved: About how many more would have been sent if no layer had gone as a difference.
    """

    image: str
    layers_sent: int
    layers_reused: int
    bytes_sent: int
    seconds: float
    bytes_saved: int = 0


@dataclass(slots=True)
class Account:
    """One image of a transfer; sizes are of uncompressed layers, in bytes.

    Attributes:
        expected: How much there is to send, estimated until it has passed.
    """

    image: str
    layers: int
    needed: frozenset[str]
    expected: int
    layers_sent: int = 0
    saved: int = 0
    done: int = 0
    told: float = 0.0


class Meter:
    """The accounts of one transfer. A layer that several images need goes to the account of the first.

    Args:
        accounts: One for each image.
        emit: Told of the progress.
        sent: Compressed bytes that went to the wire before, in vain.
        clock: Seconds.

    Attributes:
        sent: Compressed bytes that went to the wire.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        emit: Emit,
        *,
        sent: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = list(accounts)
        self._emit = emit
        self._clock = clock
        self._current = self._accounts[0]
        self.sent = sent

    def start(self) -> None:
        """Tell what is about to be sent."""
        for account in self._accounts:
            reused = account.layers - len(account.needed)
            self._emit(TransferStarted(account.image, account.layers, reused, account.expected))

    def layer(self, diff_id: str) -> None:
        """A layer begins."""
        self._current = next(account for account in self._accounts if diff_id in account.needed)
        self._current.layers_sent += 1

    def passed(self, count: int) -> None:
        """So many bytes of the layer were read."""
        self._current.done += count
        self._tell()

    def handed_over(self, count: int) -> None:
        """So many compressed bytes went to the wire."""
        self.sent += count
        self._tell()

    def saved(self, diff_id: str, count: int) -> None:
        """A layer went as a difference, and about so many compressed bytes did not."""
        account = next(account for account in self._accounts if diff_id in account.needed)
        account.saved += max(0, count)

    def finish(self, seconds: float) -> dict[str, Sent]:
        """The images are there."""
        return {account.image: self._finish(account, seconds) for account in self._accounts}

    def _finish(self, account: Account, seconds: float) -> Sent:
        reused, sent = account.layers - account.layers_sent, self._share(account)
        self._emit(TransferProgress(account.image, account.done, account.done, sent))
        return finished(
            Sent(account.image, account.layers_sent, reused, sent, seconds, account.saved), self._emit
        )

    def _tell(self) -> None:
        account, now = self._current, self._clock()
        if now - account.told >= _EVERY:
            account.told = now
            total = max(account.expected, account.done)
            self._emit(TransferProgress(account.image, account.done, total, self._share(account)))

    def _share(self, account: Account) -> int:
        """The compressed bytes of one image: blocks hold layers of several, so they are shared out by size."""
        total = sum(each.done + _DOCUMENTS for each in self._accounts)
        return self.sent * (account.done + _DOCUMENTS) // total


def finished(sent: Sent, emit: Emit) -> Sent:
    """Tell that an image is on the server."""
    emit(
        TransferFinished(
            sent.image, sent.layers_sent, sent.layers_reused, sent.bytes_sent, sent.seconds, sent.bytes_saved
        )
    )
    return sent
