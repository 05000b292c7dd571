"""Measured facts about an image and its build, and the advice that cites them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.image.building.inputs.dockerfile import LAYER_KEYWORDS, Dockerfile, Instruction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.image.building.inputs.context import Context
    from ftl.image.explain.history import HistoryEntry

MIN_BYTES = 1_000_000
"""Smaller waste in a layer is not reported."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One possible improvement.

    Attributes:
        rule: A stable name ("order", "context", "multi-stage", ...).
        text: The observation, with its figure.
        line: Line of the Dockerfile; 0 if it is about none.
    """

    rule: str
    text: str
    hint: str
    line: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One service's image and build.

    Attributes:
        target: The stage that was built; None for the last.
        size: Bytes of the whole image.
        history: Oldest entry first.
        seconds: Line of an instruction -> its duration when last executed.
    """

    dockerfile: Dockerfile
    target: str | None
    context: Context
    size: int
    history: tuple[HistoryEntry, ...]
    seconds: Mapping[int, float]
    platform: str = ""
    engine_platform: str = ""

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The instructions that made the image, without those of other stages."""
        return self.dockerfile.image_instructions(self.target)

    @property
    def layer_sizes(self) -> dict[int, int]:
        """Line of an instruction -> bytes of its layer.

        The history has no line numbers, so it is matched from its end: the image's own steps are its last entries.
        """
        steps = [step for step in self.instructions if step.keyword in LAYER_KEYWORDS]
        layers = [entry for entry in self.history if entry.makes_layer]
        pairs = zip(reversed(steps), reversed(layers), strict=False)
        return {step.line: layer.size for step, layer in pairs}

    @property
    def base_size(self) -> int:
        """Bytes of the base image."""
        return max(0, self.size - sum(self.layer_sizes.values()))

    @property
    def base(self) -> str:
        """The base image of the result."""
        first = self.instructions[0] if self.instructions else None
        return self.dockerfile.stages[first.stage].base if first is not None and first.stage >= 0 else ""

    def duration(self, instruction: Instruction) -> float:
        """Seconds that an instruction took; 0 if it was never executed on this machine."""
        return self.seconds.get(instruction.line, 0.0)

    def layer_size(self, instruction: Instruction) -> int:
        """Bytes of an instruction's layer; 0 if it has none in the image."""
        return self.layer_sizes.get(instruction.line, 0)

    def total_size(self, instructions: Sequence[Instruction]) -> int:
        """Bytes of several instructions' layers."""
        return sum(self.layer_size(instruction) for instruction in instructions)

    def layer_advice(self, rule: str, instruction: Instruction, text: str, hint: str) -> Advice:
        """Make advice whose figure is the size of an instruction's layer."""
        return Advice(rule, text, hint, line=instruction.line, bytes=self.layer_size(instruction))
