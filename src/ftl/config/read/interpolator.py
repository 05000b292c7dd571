"""Interpolated texts of scalar nodes, with the places that they come from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.variables.interpolation import MASK, InterpolationError, interpolate
from ftl.config.yaml.locations import Location
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
        location: The place that the text comes from: of the variable, if the text is its value and nothing else and if
            it was read from a file; else of the scalar.
        origin: For hints: where the values of its variables come from, if `location` does not say it.
        unresolved: With a reference to each secret in place of its value (`secret_reference`); empty: it has none.
    """

    text: str
    masked: str
    location: Location
    origin: str | None = None
    unresolved: str = ""


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
            self.problems.add(node.location, f"{label} must be a single value, not {describe_kind(node)}")
            raise AlreadyReported
        text = InterpolatedText(node.text, MASK, node.location) if node.literal else self._interpolated(node)
        if "\0" in text.text:
            self.problems.add(text.location, f"{label} contains a NUL character")
            raise AlreadyReported
        return text

    def _interpolated(self, node: ScalarNode) -> InterpolatedText:
        try:
            result = interpolate(node.text, self.variables.get)
        except InterpolationError as error:
            self._report(error, _locate(node, error.offset, error.expression))
            raise AlreadyReported from None
        if not result.variables:
            return InterpolatedText(result.text, result.masked, node.location)
        values = {name: self.variables.find(name) for name in result.variables}
        unresolved = (
            self._unresolved(node.text) if any(variable.unresolved for variable in values.values()) else ""
        )
        source = values[result.source_variable].location if result.source_variable else None
        if source is not None:
            location = replace(source, used_at=node.location)
            return InterpolatedText(result.text, result.masked, location, unresolved=unresolved)
        place = node.location
        if result.source_variable:  # of the process environment
            place = replace(place, given_by=f"${result.source_variable}")
        origins = " and ".join(f"{name} ({variable.origin})" for name, variable in values.items())
        noun = "the variable" if len(values) == 1 else "the variables"
        origin = f"its value comes from {noun} {origins}"
        return InterpolatedText(result.text, result.masked, place, origin, unresolved)

    def _unresolved(self, text: str) -> str:
        def value(name: str) -> str | None:
            return (
                self.variables.find(name).unresolved or self.variables[name]
                if name in self.variables
                else None
            )

        return interpolate(text, value).text

    def _report(self, error: InterpolationError, location: Location) -> None:
        if error.variable is None:
            self.problems.add(location, error.message, error.hint)
            return
        advice = self.variables.advice(error.variable)
        hint = f"{advice}, or {error.hint}" if error.hint else advice
        self.problems.add_unset(error.variable, location, error.message, hint)


def _locate(node: ScalarNode, offset: int, expression: str) -> Location:
    """The place of an expression in the file: quotes, escapes and folding move it within a scalar."""
    source, at = node.location.file.text, node.location.offset
    place = at
    for _ in range(node.text.count(expression, 0, offset) + 1):
        place = source.find(expression, at, node.end)
        if place < 0:
            return node.location
        at = place + 1
    line_start = max(source.rfind(end, 0, place) for end in "\n\r") + 1
    line = node.location.line + source.count("\n", node.location.offset, place)
    return Location(node.location.file, line, place - line_start + 1, place)
