"""What BuildKit prints with `--progress=plain`, read line by line.

Recorded from CLI 20.10.24 with its built-in BuildKit and from buildx 0.13 under CLI 28.2; newer ones add a
digest behind FROM and the Dockerfile's lines below a failure.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from ftl.events import BuildOutput, BuildStep, Event

if TYPE_CHECKING:
    from ftl.image.building.dockerfile import Dockerfile, Instruction

OUTPUT_KEPT = 30
"""Lines of a step's output that are kept for a failure's report."""

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
    """One step of a build as far as it got.

    Attributes:
        name: As the builder writes it, without the digest of a base image.
        instruction: Where it stands in the Dockerfile; None for the builder's own steps.
        seconds: What it took; 0 while unknown.
        output: The last lines it printed.
        error: The builder's words when it failed.
    """

    name: str
    instruction: Instruction | None = None
    state: StepState = "running"
    seconds: float = 0.0
    output: deque[str] = field(default_factory=lambda: deque(maxlen=OUTPUT_KEPT))
    error: str = ""

    @property
    def is_internal(self) -> bool:
        """Whether the builder does this for itself (loading the Dockerfile, the context, metadata)."""
        return self.name.startswith(("[internal]", "[auth]", "resolve image config", "building with"))

    @property
    def missed(self) -> bool:
        """Whether an instruction (other than FROM) was carried out rather than found in the cache."""
        found = self.instruction is None or self.instruction.keyword == "FROM" or self.state == "cached"
        return not found


class Progress(Protocol):
    """A reader of a builder's lines."""

    @property
    def steps(self) -> tuple[ProgressStep, ...]:
        """All steps seen, in the order in which they were first seen."""

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines that belong to no step: the builder's own account of a failure."""

    def feed(self, line: str) -> tuple[Event, ...]:
        """Take the next line (without its end); returns what it means."""

    def close(self, *, failed: bool) -> tuple[Event, ...]:
        """The builder has ended: steps still open end with it."""


def clean(line: str) -> str:
    """A line without colour codes; where a program overwrote it with carriage returns, its last state."""
    return _uncoloured(line).rpartition("\r")[2].rstrip()


def _uncoloured(line: str) -> str:
    return _ANSI.sub("", line).rstrip("\r\n")


class PlainProgress:
    """Reads BuildKit's `--progress=plain`."""

    def __init__(self, service: str, dockerfile: Dockerfile) -> None:
        self._service = service
        self._dockerfile = dockerfile
        self._steps: dict[str, ProgressStep] = {}
        self._tail: deque[str] = deque(maxlen=4 * OUTPUT_KEPT)

    @property
    def steps(self) -> tuple[ProgressStep, ...]:
        """All steps seen."""
        return tuple(self._steps.values())

    @property
    def tail(self) -> tuple[str, ...]:
        """Lines outside of steps, the last ones."""
        return tuple(self._tail)

    def feed(self, line: str) -> tuple[Event, ...]:
        """Take a line such as `#7 0.169 installing`."""
        match = _LINE.match(line)
        if match is None:
            if text := clean(line):
                self._tail.append(text)
            return ()
        identity, rest = match["id"], _uncoloured(match["rest"])
        step = self._steps.get(identity)
        if step is None:
            return self._open(identity, rest)
        return self._advance(step, rest)

    def close(self, *, failed: bool) -> tuple[Event, ...]:
        """Steps still running when the builder ended did not fail themselves: they were given up."""
        del failed
        return ()

    def _open(self, identity: str, name: str) -> tuple[Event, ...]:
        if name == "..." or name.startswith("building with "):
            return ()
        step = ProgressStep(_without_digest(name), self._instruction(name))
        self._steps[identity] = step
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
        text = clean(printed)  # only now: BuildKit writes its `#7 0.1 ` once, before all states of a line
        step.output.append(text)
        return (BuildOutput(self._service, step.name, text),)

    def _event(self, step: ProgressStep) -> tuple[Event, ...]:
        if step.is_internal and step.state != "failed":
            return ()
        return (BuildStep(self._service, step.name, step.state, step.seconds),)

    def _instruction(self, name: str) -> Instruction | None:
        """Where a step such as `[linux/arm64 base 3/4] COPY a b` stands in the Dockerfile."""
        position = _POSITION.match(name)
        if position is None:
            return None
        stages = [word for word in position["words"].split() if "/" not in word and "->" not in word]
        found = self._dockerfile.step(stages[-1] if stages else None, int(position["number"]))
        keyword = position["text"].partition(" ")[0].upper()
        return found if found is not None and found.keyword == keyword else None


def _without_digest(name: str) -> str:
    return re.sub(r"@sha256:[0-9a-f]{64}", "", name)
