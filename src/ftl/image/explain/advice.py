"""A piece of advice about an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.image.building.dockerfile import Instruction
    from ftl.image.explain.facts import ImageFacts

WORTH = 1_000_000
"""Bytes below which a layer's waste is not worth a sentence."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do better.

    Attributes:
        rule: A stable name ("order", "context", "multi-stage", ...).
        text: What is so, with its figure.
        hint: What to do.
        line: Of the Dockerfile; 0 where it is about no line.
        bytes: The figure, if it is a size.
        seconds: The figure, if it is a time.
    """

    rule: str
    text: str
    hint: str
    line: int = 0
    bytes: int = 0
    seconds: float = 0.0


def about_layer(rule: str, step: Instruction, facts: ImageFacts, text: str, hint: str) -> Advice:
    """Advice whose figure is the size of an instruction's layer."""
    return Advice(rule, text, hint, line=step.line, bytes=facts.weighs(step))
