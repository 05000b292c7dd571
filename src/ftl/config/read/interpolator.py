"""Interpolated texts of scalar nodes, with the places that they come from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.variables.interpolation import MASK, InterpolationError, interpolate
from ftl.config.yaml.marks import Mark
from ftl.config.yaml.tree import Node, ScalarNode, describe_kind
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.config.read.problems import Problems
    from ftl.config.variables.sources import Variables


class AlreadyReported(Exception):
    """A value cannot be used, and the problem has been added."""


@dataclass(frozen=True, slots=True)
class InterpolatedText:
    """The text of a scalar after interpolation.

    Attributes:
        masked: With each value of a variable masked.
        mark: The place that the text comes from: of the variable, if the text is its value and nothing else and if it
            was read from a file; else of the scalar.
        origin: For hints: where the values of its variables come from, if `mark` does not say it.
        marked: With the marked name of each secret in place of its value (`mark_secret`); empty: it has none.
    """

    text: str
    masked: str
    mark: Mark
    origin: str | None = None
    marked: str = ""


class Interpolator:
    """Reads the texts of scalar nodes."""

    def __init__(self, variables: Variables, problems: Problems) -> None:
        self.variables = variables
        self.problems = problems

    def read(self, node: Node, label: str) -> InterpolatedText:
        """Read a node that must be a single value, called `label` in messages.

        Raises:
            AlreadyReported: It is a list or a mapping, or a variable in it has no value.
        """
        if not isinstance(node, ScalarNode):
            self.problems.add(node.mark, f"{label} must be a single value, not {describe_kind(node)}")
            raise AlreadyReported
        text = InterpolatedText(node.text, MASK, node.mark) if node.literal else self._interpolated(node)
        if "\0" in text.text:
            self.problems.add(text.mark, f"{label} contains a NUL character")
            raise AlreadyReported
        return text

    def _interpolated(self, node: ScalarNode) -> InterpolatedText:
        try:
            result = interpolate(node.text, self.variables.get)
        except InterpolationError as error:
            self._report(error, _locate(node, error.offset, error.expression))
            raise AlreadyReported from None
        if not result.variables:
            return InterpolatedText(result.text, result.masked, node.mark)
        values = {name: self.variables.find(name) for name in result.variables}
        marked = self._marked(node.text) if any(variable.marked for variable in values.values()) else ""
        source = values[result.source_variable].mark if result.source_variable else None
        if source is not None:
            mark = replace(source, used_at=node.mark)
            return InterpolatedText(result.text, result.masked, mark, marked=marked)
        place = node.mark
        if result.source_variable:  # of the process environment
            place = replace(place, given_by=f"${result.source_variable}")
        origins = " and ".join(f"{name} ({variable.origin})" for name, variable in values.items())
        noun = "the variable" if len(values) == 1 else "the variables"
        origin = f"its value comes from {noun} {origins}"
        return InterpolatedText(result.text, result.masked, place, origin, marked)

    def _marked(self, text: str) -> str:
        def value(name: str) -> str | None:
            return (
                self.variables.find(name).marked or self.variables[name] if name in self.variables else None
            )

        return interpolate(text, value).text

    def _report(self, error: InterpolationError, mark: Mark) -> None:
        if error.variable is None:
            self.problems.add(mark, error.message, error.hint)
            return
        advice = self.variables.advice(error.variable)
        hint = f"{advice}, or {error.hint}" if error.hint else advice
        self.problems.add_unset(error.variable, mark, error.message, hint)


def _locate(node: ScalarNode, offset: int, expression: str) -> Mark:
    """The place of an expression in the file: quotes, escapes and folding move it within a scalar."""
    source, at = node.mark.file.text, node.mark.offset
    place = at
    for _ in range(node.text.count(expression, 0, offset) + 1):
        place = source.find(expression, at, node.end)
        if place < 0:
            return node.mark
        at = place + 1
    line_start = max(source.rfind(end, 0, place) for end in "\n\r") + 1
    line = node.mark.line + source.count("\n", node.mark.offset, place)
    return Mark(node.mark.file, line, place - line_start + 1, place)
