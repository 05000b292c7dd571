"""What was measured about an image and its build: the ground of all advice."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.image.building.dockerfile import LAYER_KEYWORDS, Dockerfile, Instruction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.image.building.context import Context

_LAYER = re.compile(r"^(?:RUN|COPY|ADD|WORKDIR) ")
_CLASSIC_CONFIG = re.compile(r"^/bin/sh -c #\(nop\)\s+(?!COPY|ADD|WORKDIR)")


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A line of an image's history: what made it and how many bytes it added."""

    created_by: str
    size: int

    @property
    def makes_layer(self) -> bool:
        """Whether an instruction that counts as a step made it; the others only change the config."""
        if self.created_by.startswith("/bin/sh -c"):  # the classic builder
            return _CLASSIC_CONFIG.match(self.created_by) is None
        return _LAYER.match(self.created_by) is not None


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One service's image and build.

    Attributes:
        target: The stage that was built; None for the last.
        size: Bytes of the whole image.
        history: Oldest first.
        seconds: Line of an instruction -> what it took when it was last carried out.
    """

    service: str
    dockerfile: Dockerfile
    target: str | None
    context: Context
    size: int
    history: tuple[HistoryEntry, ...]
    seconds: Mapping[int, float]

    @property
    def result(self) -> tuple[Instruction, ...]:
        """The instructions that made the image, other stages' left out."""
        return self.dockerfile.result(self.target)

    @property
    def sizes(self) -> dict[int, int]:
        """Line of an instruction -> bytes of its layer.

        The history names no lines, so it is read from its end: the image's own steps are its last ones.
        """
        steps = [step for step in self.result if step.keyword in LAYER_KEYWORDS]
        made = [entry for entry in self.history if entry.makes_layer]
        return {step.line: entry.size for step, entry in zip(reversed(steps), reversed(made), strict=False)}

    @property
    def base_size(self) -> int:
        """Bytes that came with the base image."""
        return max(0, self.size - sum(self.sizes.values()))

    @property
    def base(self) -> str:
        """The image that the result starts from."""
        first = self.result[0] if self.result else None
        return self.dockerfile.stages[first.stage].base if first is not None and first.stage >= 0 else ""

    def took(self, instruction: Instruction) -> float:
        """Seconds of an instruction; 0 where it was never carried out here."""
        return self.seconds.get(instruction.line, 0.0)

    def weighs(self, instruction: Instruction) -> int:
        """Bytes of an instruction's layer; 0 where it is not in the image."""
        return self.sizes.get(instruction.line, 0)


def read_history(lines: Iterable[str]) -> tuple[HistoryEntry, ...]:
    """The output of `docker history --no-trunc --human=false --format '{{json .}}'`, oldest first."""
    entries: list[HistoryEntry] = []
    for line in lines:
        try:
            raw = json.loads(line)
            entries.append(HistoryEntry(str(raw["CreatedBy"]), int(raw["Size"])))
        except (ValueError, KeyError, TypeError):
            continue
    return tuple(reversed(entries))


def total(facts: ImageFacts, instructions: Sequence[Instruction]) -> int:
    """Bytes of several layers."""
    return sum(facts.weighs(step) for step in instructions)
