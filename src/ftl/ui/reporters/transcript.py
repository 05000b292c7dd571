"""Transcript of a command: turns events into lines, the same for a terminal and a log file.

The output of builds and hooks is left out without -v: when one fails, its error carries the last lines.
"""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Literal

from ftl import events
from ftl.common.figures import count, duration, size
from ftl.dataclass import dataclass
from ftl.ui.reporters import transfers
from ftl.ui.sanitize import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LineKind = Literal["started", "done", "failed", "undone", "info", "warning", "hint", "output"]
"""Kind of a line, which decides on its sign and colour."""

LONG_STEP = 2.0
"""Least duration in seconds of a build step that gets a line."""

SHORT_STEP = 0.1
"""Least duration in seconds of a step that is shown with its duration."""

MINOR_STEPS = ("record", "ensure_store", "send_images", "switch")
"""Steps without a line (bookkeeping, or specific events exist); with -v their end has one."""

WAITING = 10
"""Seconds between two lines about a container that is not healthy yet."""

INTERVAL = 5.0
"""Seconds between two lines about the same activity."""


LONGEST_OUTCOME = 200
"""Characters that are shown of a probe's outcome."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the transcript.

    Attributes:
        subject: The service, dependency or image it is about; shown as its prefix.
        lasting: Whether it matters after the event. A terminal, which draws the work in progress live, leaves out
            the others.
    """

    kind: LineKind
    text: str
    subject: str | None = None
    lasting: bool = True


class Transcript:
    """Turns events into lines, each fact once and progress at a readable rate.

    With `verbose`, also the output of builds, hooks and probes.
    """

    def __init__(self, *, verbose: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._verbose = verbose > 0
        self._clock = clock
        self._context: dict[str, int] = {}
        self._last: dict[tuple[str, str], float] = {}
        self._waits: dict[str, int] = {}

    def lines(self, event: events.Event) -> list[Line]:
        """Lines of an event; often none."""
        return [line for line in self._lines(event) if line.text]

    def _lines(self, event: events.Event) -> Iterable[Line]:
        match event:
            case events.Note():
                yield Line("warning" if event.level == "warning" else "info", event.text)
                yield Line("hint", event.hint or "")
            case events.PullProgress() | events.PushProgress():
                doing = "pulling" if isinstance(event, events.PullProgress) else "pushing"
                if self._due(doing, event.image):
                    yield Line("info", f"{doing}: {printable(event.status)}", event.image, lasting=False)
            case events.BackupProgress():
                if self._due(event.doing, event.name):
                    yield Line("info", f"{event.doing}: {size(event.bytes)}", event.name, lasting=False)
            case events.Planned():
                yield Line("info", f"{event.release} on {event.server}: {count(len(event.steps), 'step')}")
                if self._verbose:
                    yield from (Line("output", step) for step in event.steps)
            case events.SetupPlanned():
                changes = count(len(event.steps), "change") if event.steps else "nothing to change"
                yield Line("info", f"{event.server} runs {event.system}: {changes}")
            case events.Probed():
                yield from self._probed(event)
            case events.HookOutput():
                if self._verbose:
                    yield Line("output", printable(event.line), f"{event.service} {event.hook} hook")
            case events.Switched():
                yield Line("done", f"new requests go to {event.release}", ", ".join(event.services))
            case events.Draining():
                if event.in_flight and self._due("drain", event.service):
                    text = f"{count(event.in_flight, 'request')} in flight on the old containers"
                    yield Line("info", text, event.service, lasting=False)
            case _:
                yield from chain(self._building(event), self._sending(event), self._step(event))

    def _building(self, event: events.Event) -> Iterable[Line]:
        match event:
            case events.BuildStarted():
                target = f" for {event.platform}" if event.platform else ""
                machine = f" on {event.on}" if event.on else ""
                yield Line(
                    "started", f"building {event.image}{target}{machine}", event.service, lasting=False
                )
            case events.BuildContext():
                self._context[event.service] = event.bytes
                if self._verbose:
                    yield Line("info", f"context {size(event.bytes)}", event.service)
            case events.BuildStep():
                yield from self._build_step(event)
            case events.BuildOutput():
                if self._verbose:
                    yield Line("output", printable(event.line), event.service)
            case events.BuildFinished():
                yield from self._built(event)

    def _build_step(self, event: events.BuildStep) -> Iterable[Line]:
        service = event.service
        if event.state == "failed":
            yield Line("failed", f"failed: {event.name}", service)
        elif event.state == "done" and (self._verbose or event.seconds >= LONG_STEP):
            text = f"{event.name} ({duration(event.seconds)})"
            yield Line("info", text, service, lasting=self._verbose)
        elif self._verbose:
            text = event.name if event.state == "running" else f"{event.name} ({event.state})"
            yield Line("info", text, service, lasting=event.state != "running")

    def _built(self, event: events.BuildFinished) -> Iterable[Line]:
        if not event.built:
            yield Line("done", f"nothing to build, {event.image} is up to date", event.service)
            return
        context = self._context.get(event.service)
        sent = f", context {size(context)}" if context is not None else ""
        yield Line("done", f"built {event.image} in {duration(event.seconds)}{sent}", event.service)
        if event.first_miss:
            reason = f": {event.miss_reason}" if event.miss_reason else ""
            cost = f" ({duration(event.miss_seconds)})" if event.miss_seconds else ""
            yield Line(
                "info", f"first step not in the cache: {event.first_miss}{cost}{reason}", event.service
            )

    def _sending(self, event: events.Event) -> Iterable[Line]:
        match event:
            case events.TransferStarted():
                self._due("transfer", event.image)
                missing = event.layers - event.layers_reused
                if missing:
                    layers = f"{missing} of {count(event.layers, 'layer')}"
                    text = f"sending {layers}, {size(event.bytes_total)} before compression"
                    yield Line("started", text, event.image, lasting=False)
            case events.TransferProgress():
                if event.bytes_done < event.bytes_total and self._due("transfer", event.image):
                    yield Line("info", ", ".join(transfers.progress(event)), event.image, lasting=False)
            case events.LayerFinished():
                if self._verbose:
                    yield Line("info", transfers.layer_result(event), event.image)
            case events.TransferFinished():
                yield Line("done", transfers.summary(event), event.image)

    def _step(self, event: events.Event) -> Iterable[Line]:
        match event:
            case events.StepStarted():
                # A hook may take as long as it likes, and says nothing here.
                if event.step == "run_hook" or (self._verbose and event.step not in MINOR_STEPS):
                    yield Line("started", event.text, event.service, lasting=False)
            case events.StepFinished(step="wait_healthy"):
                after = f" after {duration(event.seconds)}" if event.seconds >= SHORT_STEP else ""
                yield Line("done", f"healthy{after}", event.service)
            case events.StepFinished() if self._verbose or event.step not in MINOR_STEPS:
                took = f" ({duration(event.seconds)})" if event.seconds >= SHORT_STEP else ""
                yield Line("done", event.text + took, event.service)
            case events.StepInterrupted():
                yield Line("failed", f"interrupted: {event.text}", event.service)
            case events.StepFailed():
                yield Line("failed", f"failed: {event.text}", event.service)
            case events.StepUndone():
                yield Line("undone", f"undone: {event.text}", event.service)

    def _probed(self, event: events.Probed) -> Iterable[Line]:
        """With -v every probe; else a line now and then while a container is not healthy."""
        if self._verbose:
            kind: LineKind = "done" if event.healthy else "info"
            yield Line(kind, f"{event.container} answers: {_outcome(event)}", event.service)
            return
        waits = int(event.seconds // WAITING)
        over = event.healthy or event.seconds >= event.limit
        if not over and waits > self._waits.get(event.container, 0):
            self._waits[event.container] = waits
            so_far = f"{duration(event.seconds)} of at most {duration(event.limit)}"
            text = f"waiting until {event.container} is healthy, {so_far}: {_outcome(event)}"
            yield Line("info", text, event.service, lasting=False)

    def _due(self, kind: str, subject: str) -> bool:
        """Whether it is time for another line about this activity; the first call says yes."""
        now = self._clock()
        last = self._last.get((kind, subject))
        if last is not None and now - last < INTERVAL:
            return False
        self._last[kind, subject] = now
        return True


def _outcome(event: events.Probed) -> str:
    """The outcome on one line: an app may answer with a page."""
    return shortened(printable(" ".join(event.outcome.split())), LONGEST_OUTCOME)
