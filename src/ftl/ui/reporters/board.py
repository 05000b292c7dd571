"""Work in progress: turns events into rows that come and go. Independent of drawing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl import events
from ftl.common.figures import count, size
from ftl.ui.sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


@dataclass(slots=True)
class Activity:
    """One activity in progress.

    Attributes:
        started: Its start by the board's clock.
        detail: The latest news: a line of output, a probe's outcome.
        transfer: The progress of an image that is being sent.
        number: The number of equal activities in progress (replicas).
    """

    subject: str
    text: str
    started: float
    detail: str = ""
    transfer: events.TransferProgress | None = None
    number: int = 1


class Board:
    """Rows of all activities in progress."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._rows: dict[Hashable, Activity] = {}

    @property
    def rows(self) -> tuple[Activity, ...]:
        """Rows, oldest first."""
        return tuple(self._rows.values())

    def update(self, event: events.Event) -> None:
        """Update the rows by an event."""
        match event:
            case events.BuildStarted():
                self._begin(("build", event.service), event.service, "building")
            case events.BuildStep(state="running") if row := self._rows.get(("build", event.service)):
                row.text, row.detail = event.name, ""
            case events.BuildStep(state="failed") | events.BuildFinished():
                self._end(("build", event.service))
            case events.BuildOutput():
                self._detail(("build", event.service), printable(event.line))
            case events.TransferStarted():
                self._sending(event)
            case events.TransferProgress() if row := self._rows.get(("send", event.image)):
                row.transfer = event
            case events.TransferFinished():
                self._end(("send", event.image))
            case events.PullProgress() | events.PushProgress():
                self._by_registry(event)
            case events.BackupProgress():
                key = (event.doing, event.name)
                if key not in self._rows:
                    self._begin(key, event.name, event.doing)
                self._rows[key].detail = size(event.bytes)
            case events.StepStarted():
                self._begin(("step", event.step, event.service), event.service or "", event.text)
            case events.StepFinished() | events.StepFailed():
                self._end(("step", event.step, event.service))
            case events.Probed():
                self._detail(("step", "wait_healthy", event.service), event.outcome)
            case events.HookOutput():
                self._detail(("step", "run_hook", event.service), printable(event.line))
            case events.Draining():
                self._detail(
                    ("step", "drain", event.service), f"{count(event.in_flight, 'request')} in flight"
                )

    def _sending(self, event: events.TransferStarted) -> None:
        missing, key = event.layers - event.layers_reused, ("send", event.image)
        if missing or event.layers_kept:
            self._begin(key, event.image, "sending")
            self._rows[key].transfer = events.TransferProgress(
                event.image, 0, event.bytes_total, 0, layers_total=missing
            )

    def _by_registry(self, event: events.PullProgress | events.PushProgress) -> None:
        """An image that is pulled or pushed, with Docker's status texts, of which some mark the end."""
        pulling = isinstance(event, events.PullProgress)
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
            self._rows[key] = Activity(subject, text, self.clock())

    def _end(self, key: Hashable) -> None:
        row = self._rows.get(key)
        if row is not None and row.number > 1:
            row.number -= 1
        else:
            self._rows.pop(key, None)

    def _detail(self, key: Hashable, text: str) -> None:
        if row := self._rows.get(key):
            row.detail = text
