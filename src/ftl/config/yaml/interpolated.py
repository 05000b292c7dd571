"""The texts of a file's scalars with their variables filled in, and the faults that are found on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.variables import MASK, Interpolated, InterpolationError, interpolate
from ftl.config.yaml.tree import Fault, Mark, Node, ScalarNode, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class AlreadyReported(Exception):
    """A value could not be read; it has been reported."""


class Interpolator:
    """One file's texts.

    Attributes:
        faults: What is wrong, in the order in which it was found.
        variables: What `${...}` is filled in from.
    """

    def __init__(self, source: str, variables: Mapping[str, str]) -> None:
        self.faults: list[Fault] = []
        self.variables = variables
        self._source = source
        self._reported: set[Fault] = set()

    def report(self, mark: Mark, message: str, hint: str | None = None) -> None:
        """Add something that is wrong; what an alias brings in twice is reported once."""
        fault = Fault(mark, message, hint)
        if fault not in self._reported:
            self._reported.add(fault)
            self.faults.append(fault)

    def get(self, node: Node, label: str) -> Interpolated:
        """The text of a node that must be a single value; messages call it `label`.

        Raises:
            AlreadyReported: it is a list or a mapping, or a variable in it has no value.
        """
        if not isinstance(node, ScalarNode):
            self.report(node.mark, f"{label} must be a single value, not {kind_of(node)}")
            raise AlreadyReported
        filled = self._filled(node)
        if "\0" in filled.text:
            self.report(node.mark, f"{label} holds a NUL character")
            raise AlreadyReported
        return filled

    def find(self, node: Node, label: str) -> str | None:
        """The same text alone, or None."""
        try:
            return self.get(node, label).text
        except AlreadyReported:
            return None

    def _filled(self, node: ScalarNode) -> Interpolated:
        if node.literal:
            return Interpolated(node.text, MASK)
        try:
            return interpolate(node.text, self.variables)
        except InterpolationError as error:
            mark = self._locate(node, error.offset, error.expression)
            self.report(mark, error.message, error.hint)
            raise AlreadyReported from None

    def _locate(self, node: ScalarNode, offset: int, expression: str) -> Mark:
        """Where an expression of a scalar stands in the file: quotes, escapes and folding move it."""
        source, at = self._source, node.mark.offset
        for _ in range(node.text.count(expression, 0, offset) + 1):
            found = source.find(expression, at, node.end)
            if found < 0:
                return node.mark
            at = found + 1
        line_start = max(source.rfind(end, 0, found) for end in "\n\r") + 1
        line = node.mark.line + source.count("\n", node.mark.offset, found)
        return Mark(line, found - line_start + 1, found)
