"""What goes on right now: events -> rows that come and go. Knows nothing of how they are drawn."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.events import (
    BuildFinished,
    BuildOutput,
    BuildStarted,
    BuildStep,
    Draining,
    Event,
    HookOutput,
    Probed,
    PullProgress,
    PushProgress,
    StepFailed,
    StepFinished,
    StepStarted,
    TransferFinished,
    TransferProgress,
    TransferStarted,
)
from ftl.figures import count
from ftl.ui.foreign import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

WINDOW = 5.0
"""Seconds over which a transfer's speed is measured."""


@dataclass(slots=True)
class Transfer:
    """How far an image has come.

    Attributes:
        total, done: Bytes of uncompressed layers; the total is an estimate, and grows where it was too low.
    """

    total: int
    done: int = 0
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def sample(self, now: float, done: int, total: int) -> None:
        """Take a measurement."""
        self.done, self.total = done, total
        self.samples.append((now, done))
        while len(self.samples) > 2 and now - self.samples[0][0] > WINDOW:
            self.samples.popleft()

    @property
    def speed(self) -> float:
        """Bytes of layers a second, lately; 0 while unknown."""
        if len(self.samples) < 2:
            return 0.0
        (start, before), (end, after) = self.samples[0], self.samples[-1]
        return (after - before) / (end - start) if end > start else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until all is through at this speed; None while unknown."""
        return (self.total - self.done) / self.speed if self.speed > 0 else None


@dataclass(slots=True)
class Row:
    """One thing that goes on.

    Attributes:
        started: By the board's clock.
        detail: The latest about it: a line of output, a probe's outcome.
        number: How many of the same go on (replicas).
    """

    subject: str
    text: str
    started: float
    detail: str = ""
    transfer: Transfer | None = None
    number: int = 1


class Board:
    """The rows, oldest first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._rows: dict[Hashable, Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """What goes on, oldest first; safe to read from the thread that draws."""
        return tuple(self._rows.copy().values())

    def update(self, event: Event) -> None:
        """Take in what happened."""
        match event:
            case BuildStarted() | BuildStep() | BuildOutput() | BuildFinished():
                self._building(event)
            case TransferStarted() | TransferProgress() | TransferFinished():
                self._sending(event)
            case PullProgress() | PushProgress():
                self._by_registry(event)
            case StepStarted():
                self._begin(("step", event.step, event.service), event.service or "", event.text)
            case StepFinished() | StepFailed():
                self._end(("step", event.step, event.service))
            case Probed():
                self._detail("wait_healthy", event.service, event.outcome)
            case HookOutput():
                self._detail("run_hook", event.service, printable(event.line))
            case Draining():
                self._detail("drain", event.service, f"{count(event.in_flight, 'request')} in flight")
            case _:
                pass

    def _building(self, event: BuildStarted | BuildStep | BuildOutput | BuildFinished) -> None:
        key = ("build", event.service)
        match event:
            case BuildStarted():
                self._begin(key, event.service, "building")
            case BuildStep(state="running") if row := self._rows.get(key):
                row.text, row.detail = event.name, ""
            case BuildStep(state="failed") | BuildFinished():
                self._end(key)
            case BuildOutput() if row := self._rows.get(key):
                row.detail = printable(event.line)
            case _:
                pass

    def _sending(self, event: TransferStarted | TransferProgress | TransferFinished) -> None:
        key = ("send", event.image)
        match event:
            case TransferStarted():
                if event.layers > event.layers_reused:
                    self._begin(key, event.image, "sending")
                    self._rows[key].transfer = Transfer(event.bytes_total, samples=deque([(self.clock(), 0)]))
            case TransferProgress():
                row = self._rows.get(key)
                if row is not None and row.transfer is not None:
                    row.transfer.sample(self.clock(), event.bytes_done, event.bytes_total)
            case TransferFinished():
                self._end(key)

    def _by_registry(self, event: PullProgress | PushProgress) -> None:
        """An image on its way from or to a registry, in Docker's words; some of them are the last."""
        pulling = isinstance(event, PullProgress)
        key = ("pull" if pulling else "push", event.image)
        if event.status.startswith("Status:") if pulling else ": digest: " in event.status:
            self._end(key)
            return
        if key not in self._rows:
            self._begin(key, event.image, "pulling" if pulling else "pushing")
        self._rows[key].detail = printable(event.status)

    def _begin(self, key: Hashable, subject: str, text: str) -> None:
        row = self._rows.get(key)
        if row is not None:
            row.number += 1
        else:
            self._rows[key] = Row(subject, text, self.clock())

    def _end(self, key: Hashable) -> None:
        row = self._rows.get(key)
        if row is not None and row.number > 1:
            row.number -= 1
        else:
            self._rows.pop(key, None)

    def _detail(self, step: str, service: str, text: str) -> None:
        row = self._rows.get(("step", step, service))
        if row is not None:
            row.detail = text
