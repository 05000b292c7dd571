"""Places in source files: ftl.yaml, its overlays, .env and env files.

A location knows its file, so that a value from any of them is reported where it is written, and nothing between the
parser and the message has to know how many files there are.
"""

from __future__ import annotations

import os
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top to a value: ("services", 0, "port")."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """A file that values come from.

    Attributes:
        name: The file as the user would name it.
        confidential: The content may hold secrets: problems do not quote its lines.
    """

    name: str
    text: str = field(default="", repr=False)
    confidential: bool = False

    def line(self, number: int) -> str:
        """The text of a line, as problems quote it."""
        lines = [] if self.confidential else self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file.

    Attributes:
        line: 1-based; 0 for the file as a whole.
        column: 1-based; 0 for the file as a whole.
        offset: Offset in the text.
        used_at: For the value of a variable: the place that uses it, which problems add to their hint.
        given_by: What gives the value in place of the file: an option, or a variable of the process environment.
    """

    file: SourceFile
    line: int = 0
    column: int = 0
    offset: int = 0
    used_at: Location | None = None
    given_by: str = ""

    @property
    def origin(self) -> str:
        """The place as `ftl config --origin` names it; empty: a file as a whole."""
        return self.given_by or (self.shown if self.line else "")

    @property
    def shown(self) -> str:
        """The place in a note: `ftl.yaml:7`; of a file as a whole its name."""
        return f"{self.file.name}:{self.line}" if self.line else self.file.name

    @property
    def unquoted(self) -> Location:
        """This place, without the text of its line in problems."""
        return replace(self, file=replace(self.file, confidential=True))

    def problem(self, message: str, hint: str | None = None) -> Problem:
        """Make a problem at this place."""
        if self.used_at is not None:
            use = f"the value is used at {self.used_at.seen_from(self)}"
            hint = f"{hint}; {use}" if hint else use
        return Problem(message, self.file.name, self.line, self.column, self.file.line(self.line), hint)

    def error(self, message: str, hint: str | None = None) -> ConfigError:
        """Make the error for a problem at this place, which nothing can be read without."""
        return ConfigError([self.problem(message, hint)])

    def seen_from(self, other: Location) -> str:
        """Name this place in a message about another one.

        `line 7`, or `.env:7` if it is in another file.
        """
        return f"line {self.line}" if self.file is other.file else self.shown


@dataclass(frozen=True, slots=True)
class Locations:
    """The places of all values that the files give, by key path."""

    by_path: Mapping[KeyPath, Location] = field(default_factory=dict)

    def nearest(self, *path: str | int) -> Location:
        """The place of a value, or of the nearest section around it that the files give."""
        while path and path not in self.by_path:
            path = path[:-1]
        return self.by_path.get(path) or Location(SourceFile("ftl.yaml"))

    def problem(self, message: str, *path: str | int, hint: str | None = None) -> Problem:
        """Make a problem at a value, for faults that appear only when the value is used."""
        return self.nearest(*path).problem(message, hint)


def display_path(path: Path) -> str:
    """Name a file as a user in the current directory would."""
    absolute = os.path.abspath(path)  # noqa: PTH100 -- without following links
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith(os.path.join("..", "..", "..")) else relative  # noqa: PTH118
