"""Problems that are found while ftl.yaml is read, and names for values and sections in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.config.yaml.locations import KeyPath, Location
    from ftl.errors import Problem


class Problems:
    """Problems, each once, although an alias may lead to the same value twice."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._unset: dict[str, dict[Location, tuple[str, str | None]]] = {}

    def add(self, location: Location, message: str, hint: str | None = None) -> None:
        """Add a problem at a place."""
        self._found[location.problem(message, hint)] = None

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems that already have their places."""
        self._found |= dict.fromkeys(problems)

    def add_unset(self, variable: str, location: Location, message: str, hint: str | None) -> None:
        """Add a use of a variable that is not set; all uses of it become one problem."""
        self._unset.setdefault(variable, {}).setdefault(location, (message, hint))

    def raise_found(self) -> None:
        """Raise all problems together, if any were added.

        Raises:
            ConfigError: With all problems, if there are any.
        """
        if problems := self.sorted():
            raise ConfigError(problems)

    def sorted(self) -> list[Problem]:
        """All problems: file by file, in the order of their lines."""
        problems = [*self._found, *(_merged(uses) for uses in self._unset.values())]
        files = {name: rank for rank, name in enumerate(dict.fromkeys(problem.file for problem in problems))}
        return sorted(problems, key=lambda problem: (files[problem.file], problem.line, problem.column))


def _merged(uses: dict[Location, tuple[str, str | None]]) -> Problem:
    files = {location.file: rank for rank, location in enumerate(uses)}
    first, *others = sorted(uses, key=lambda location: (files[location.file], location.offset))
    others = [location for location in others if (location.file, location.line) != (first.file, first.line)]
    message, hint = uses[first]
    problem = first.problem(message, hint)
    if not others:
        return problem
    *most, last = dict.fromkeys(location.seen_from(first) for location in others)
    places = f"{', '.join(most)} and {last}" if most else last
    return replace(problem, message=f"{message}; also used at {places}")


_MAX_QUOTED = 80
"""Characters of a value that a message quotes."""


def quoted(text: str) -> str:
    """Quote a value in a message.

    Of a whole document pasted in the wrong place, only the beginning is quoted.
    """
    return f"`{text}`" if len(text) <= _MAX_QUOTED else f"`{text[:_MAX_QUOTED]}…`"


def value_label(path: KeyPath) -> str:
    """Name a value in messages: by its key, or by that of the list that it is in."""
    return str(next(step for step in reversed(path) if isinstance(step, str)))


def section_label(path: KeyPath) -> str:
    """Name a section in messages: `build`, `services[0]`."""
    if not path:
        return "the file"
    return f"{path[-2]}[{path[-1]}]" if isinstance(path[-1], int) else path[-1]


def hint_section(path: KeyPath) -> str:
    """Name a section as `foreign_keys` does: "container.health_check", "" for the top."""
    names = [step for step in path if isinstance(step, str)]
    return ".".join(names[1:] if len(names) > 1 and names[0] in ("services", "dependencies") else names)
