"""Where a project's values stand in its file: for problems that only their use brings to light."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.yaml.tree import Mark


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one file; without it, problems name the file alone.

    Attributes:
        file: As the user would name it.
        lines: Its text.
        marks: Where each value stands, by the way to it from the top: ("proxy", "key").
    """

    file: str = "ftl.yaml"
    lines: tuple[str, ...] = ()
    marks: Mapping[tuple[str | int, ...], Mark] = field(default_factory=dict)

    def problem(self, message: str, *way: str | int, hint: str | None = None) -> Problem:
        """A problem at a value, or at the nearest section around it that the file gives."""
        while way and way not in self.marks:
            way = way[:-1]
        mark = self.marks.get(way)
        if mark is None:
            return Problem(message, self.file, hint=hint)
        source = self.lines[mark.line - 1] if mark.line <= len(self.lines) else ""
        return Problem(message, self.file, mark.line, mark.column, source, hint)
