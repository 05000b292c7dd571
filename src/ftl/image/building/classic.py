"""What the classic builder prints (`Step 2/5 : ...`), read line by line; recorded from engine 20.10.24."""

from __future__ import annotations

import re
import time
from collections import deque
from typing import TYPE_CHECKING

from ftl.events import BuildOutput, BuildStep, Event
from ftl.image.building.progress import OUTPUT_KEPT, ProgressStep, StepState, clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.image.building.dockerfile import Dockerfile

_STEP = re.compile(r"^Step (?P<number>\d+)/\d+ : (?P<text>.*)$")
_NOISE = re.compile(
    r"^(?: ---> |Removing intermediate container |Sending build context to Docker daemon|"
    r"Successfully (?:built|tagged) |DEPRECATED: The legacy builder|"
    r"\s+(?:BuildKit is currently disabled|Install the buildx component|environment-variable|"
    r"https://docs\.docker\.com))"
)
_REMOVED = re.compile(r"^(?P<before>.*)Removing intermediate container [0-9a-f]{12}$")


class ClassicProgress:
    """Reads the classic builder's `Step 2/5 : RUN ...`; it gives no times, so a clock is asked."""

    def __init__(
        self, service: str, dockerfile: Dockerfile, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._service = service
        self._dockerfile = dockerfile
        self._clock = clock
        self._steps: list[ProgressStep] = []
        self._started = clock()
        self._tail: deque[str] = deque(maxlen=OUTPUT_KEPT)

    @property
    def steps(self) -> tuple[ProgressStep, ...]:
        """All steps seen."""
        return tuple(self._steps)

    @property
    def tail(self) -> tuple[str, ...]:
        """Lines outside of steps, the last ones."""
        return tuple(self._tail)

    def feed(self, line: str) -> tuple[Event, ...]:
        """Take a line such as `Step 2/5 : RUN make`."""
        text = clean(line)
        if step := _STEP.match(text):
            return self._next(int(step["number"]), step["text"])
        current = self._steps[-1] if self._steps else None
        if text == " ---> Using cache" and current is not None:
            current.state = "cached"
            return (BuildStep(self._service, current.name, "cached"),)
        if text.startswith("Successfully built "):
            return self._end("done")
        if removed := _REMOVED.match(text):  # output without a line end is continued by this line
            text = removed["before"]
        if not text or _NOISE.match(text):
            return ()
        self._tail.append(text)
        if current is None:
            return ()
        current.output.append(text)
        return (BuildOutput(self._service, current.name, text),)

    def close(self, *, failed: bool) -> tuple[Event, ...]:
        """The last step is the one that failed, if the build did."""
        if failed and self._steps:
            last = self._steps[-1]
            last.error = last.output.pop() if last.output else ""
        return self._end("failed" if failed else "done")

    def _next(self, number: int, text: str) -> tuple[Event, ...]:
        events = self._end("done")
        instructions = self._dockerfile.instructions
        instruction = instructions[number - 1] if number <= len(instructions) else None
        step = ProgressStep(text, instruction)
        self._steps.append(step)
        self._started = self._clock()
        return (*events, BuildStep(self._service, step.name, "running"))

    def _end(self, state: StepState) -> tuple[Event, ...]:
        if not self._steps or self._steps[-1].state != "running":
            return ()
        step = self._steps[-1]
        step.state, step.seconds = state, round(self._clock() - self._started, 3)
        return (BuildStep(self._service, step.name, step.state, step.seconds),)
