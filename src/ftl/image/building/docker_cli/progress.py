"""Parse BuildKit's `--progress=plain` output line by line into steps and events.

The formats were recorded from CLI 20.10.24 with its built-in BuildKit and from buildx 0.13 under CLI 28.2; newer
versions add a digest to FROM, and the Dockerfile's lines below a failure.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ftl.events import BuildOutput, BuildStep, Event

if TYPE_CHECKING:
    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction

MAX_OUTPUT_LINES = 30
"""Last lines of a step's output that the report of a failure shows."""

KEPT_OUTPUT_LINES = 200
"""Last lines in which its cause is looked for.

npm prints a page of usage after the line that says what is wrong.
"""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LINE = re.compile(r"^#(?P<id>\d+) (?P<rest>.*)$", re.DOTALL)
_OUTPUT = re.compile(r"^\d+\.\d+(?: (?P<text>.*))?$", re.DOTALL)
_DONE = re.compile(r"^DONE (?P<seconds>\d+(?:\.\d+)?)s$")
_ERROR = re.compile(r"^ERROR: (?P<text>.*)$")
_POSITION = re.compile(r"^\[(?P<words>.*?)\s*(?P<number>\d+)/\d+\] (?P<text>.*)$")
_STATUS = re.compile(
    r"^(?:sha256:|transferring |extracting |resolve |exporting |writing image|naming to|sending tarball|"
    r"unpacking |loading layer|importing |preparing |pushing |CANCELED|\.\.\.$|\[output clipped)"
)
StepState = Literal["running", "cached", "done", "failed"]


@dataclass(slots=True)
class ProgressStep:
    """Progress of one build step (a BuildKit vertex).

    Attributes:
        name: As the builder prints it, without the digest of a base image.
        instruction: Its instruction in the Dockerfile; None for the builder's internal steps.
        seconds: Its duration; 0 while unknown.
    """

    name: str
    instruction: Instruction | None = None
    state: StepState = "running"
    seconds: float = 0.0
    output: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_OUTPUT_LINES))
    error: str = ""

    @property
    def is_internal(self) -> bool:
        """Whether it is a step of the builder itself (loading the Dockerfile, metadata, ...)."""
        names = ("[internal]", "[auth]", "resolve image config", "building with")
        return self.may_fail or self.name.startswith(names)

    @property
    def may_fail(self) -> bool:
        """Whether it reads or writes a `build.cache`, without which the build continues."""
        return self.name.startswith(("importing cache manifest", "exporting cache to"))

    @property
    def is_cache_miss(self) -> bool:
        """Whether an instruction other than FROM was executed, not taken from the cache."""
        instruction = self.instruction
        return instruction is not None and instruction.keyword != "FROM" and self.state != "cached"


def clean_line(line: str) -> str:
    """Strip colour codes, and keep the last state of a line overwritten with carriage returns."""
    return _strip_colours(line).rpartition("\r")[2].rstrip()


def _strip_colours(line: str) -> str:
    return _ANSI.sub("", line).rstrip("\r\n")


class PlainProgress:
    """Parser of BuildKit's `--progress=plain`."""

    def __init__(self, service: str, dockerfile: Dockerfile) -> None:
        self._service = service
        self._dockerfile = dockerfile
        self._steps: dict[str, ProgressStep] = {}
        self._tail: deque[str] = deque(maxlen=4 * MAX_OUTPUT_LINES)

    @property
    def steps(self) -> tuple[ProgressStep, ...]:
        """All steps, in the order in which they first appeared.

        Those still running when the builder ended did not fail themselves: they were cancelled.
        """
        return tuple(self._steps.values())

    @property
    def tail(self) -> tuple[str, ...]:
        """Last lines that belong to no step: the builder's own report of a failure."""
        return tuple(self._tail)

    def feed(self, line: str) -> tuple[Event, ...]:
        """Parse a line such as `#7 0.169 installing`, and return its events."""
        match = _LINE.match(line)
        if match is None:
            if text := clean_line(line):
                self._tail.append(text)
            return ()
        step_id, rest = match["id"], _strip_colours(match["rest"])
        step = self._steps.get(step_id)
        if step is None:
            return self._start(step_id, rest)
        return self._advance(step, rest)

    def _start(self, step_id: str, name: str) -> tuple[Event, ...]:
        if name == "..." or name.startswith("building with "):
            return ()
        step = ProgressStep(_without_digest(name), self._instruction(name))
        self._steps[step_id] = step
        return self._event(step)

    def _advance(self, step: ProgressStep, rest: str) -> tuple[Event, ...]:
        if output := _OUTPUT.match(rest):
            return self._output(step, output["text"] or "")
        if done := _DONE.match(rest):
            if step.state == "cached":  # a base image: "CACHED", then "DONE 0.0s"
                return ()
            step.state, step.seconds = "done", float(done["seconds"])
            return self._event(step)
        if rest == "CACHED":
            step.state = "cached"
            return self._event(step)
        if error := _ERROR.match(rest):
            step.state, step.error = "failed", error["text"]
            return self._event(step)
        if rest == "..." or _STATUS.match(rest) or _without_digest(rest) == step.name:
            return ()
        return self._output(step, rest)

    def _output(self, step: ProgressStep, printed: str) -> tuple[Event, ...]:
        text = clean_line(printed)  # not earlier: BuildKit prints `#7 0.1 ` once, before all states of a line
        step.output.append(text)
        return (BuildOutput(self._service, step.name, text),)

    def _event(self, step: ProgressStep) -> tuple[Event, ...]:
        if step.is_internal and (step.state != "failed" or step.may_fail):
            return ()
        return (BuildStep(self._service, step.name, step.state, step.seconds),)

    def _instruction(self, name: str) -> Instruction | None:
        """Find the instruction of a step such as `[linux/arm64 base 3/4] COPY a b`."""
        position = _POSITION.match(name)
        if position is None:
            return None
        stages = [word for word in position["words"].split() if "/" not in word and "->" not in word]
        instruction = self._dockerfile.step(stages[-1] if stages else None, int(position["number"]))
        keyword = position["text"].partition(" ")[0].upper()
        return instruction if instruction is not None and instruction.keyword == keyword else None


def _without_digest(name: str) -> str:
    return re.sub(r"@sha256:[0-9a-f]{64}", "", name)
