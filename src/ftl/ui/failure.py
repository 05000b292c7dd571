"""Draw errors as text for people; turn one into a record for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ftl.errors import ConfigError, ErrorContext, FtlError, Interrupted, Problem
from ftl.ui.sanitize import escaped, printable, shortened
from ftl.ui.style import bold, cyan, dim, red

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.ui.style import Part, Style

TAB = "    "

WIDEST = 160
"""Characters that are shown of a line of ftl.yaml."""

LONGEST = 2000
"""Characters that are shown of a line of output: apps log whole documents in one."""

LONGEST_CAUSE = 400
"""Characters that are shown of a line of a cause: health checks are answered with pages."""

_Line = tuple["Part", ...]


def draw(errors: Sequence[FtlError], style: Style) -> str:
    """Draw errors: message, place, cause and hint. No newline at the end.

    Output that belongs to the errors (the last lines of a log) comes first: 30 lines of it would push the reason out
    of a terminal of 24.
    """
    lines = [*_output(errors), *(line for error in errors for line in _error(error))]
    return "\n".join(style.line(*line) for line in lines)


def _output(errors: Sequence[FtlError]) -> Iterator[_Line]:
    """Lines of output of all errors, with the service before each where there are several errors."""
    any_output = False
    for error in errors:
        name = f"{error.place.service} " if len(errors) > 1 and error.place.service else ""
        for line in error.details:
            any_output = True
            yield f"  {name}", dim("|"), f" {shortened(printable(line), LONGEST)}"
    if any_output:
        yield ("",)


def _error(error: FtlError) -> Iterator[_Line]:
    if isinstance(error, ConfigError):
        yield from _problems(error)
        return
    if isinstance(error, Interrupted):  # it was asked for, and is no error
        yield (error.message,)
    else:
        yield red("error"), f": {error.message}"
    if str(error.place):
        yield (f"  at {error.place}",)
    if error.cause:
        first, *more = (
            shortened(printable(line), LONGEST_CAUSE) for line in error.cause.rstrip("\n").split("\n")
        )
        yield (f"  because: {first}",)
        yield from ((f"           {line}",) for line in more)
    if error.hint:
        yield hint(error.hint)


def hint(text: str) -> tuple[Part, ...]:
    """The parts of a line with a hint."""
    return cyan("hint"), f": {text}"


def _problems(error: ConfigError) -> Iterator[_Line]:
    """Every problem with its place; a headline above when there are several."""
    problems = error.problems
    if len(problems) > 1:
        files = sorted({problem.file for problem in problems})
        yield red("error"), f": {len(problems)} problems in {' and '.join(files)}"
        yield ("",)
    for number, problem in enumerate(problems):
        if number:
            yield ("",)
        yield from _problem(problem)


def _problem(problem: Problem) -> Iterator[_Line]:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    yield red("error"), f": {problem.message}"
    yield "  ", bold(place)
    if problem.source and problem.line:
        margin = len(str(problem.line))
        source, caret = _excerpt(problem.source.rstrip("\n"), problem.column)
        yield dim(f"  {problem.line} | "), source
        if problem.column:
            yield dim(f"  {' ' * margin} | "), " " * caret, red("^")
    if problem.hint:
        yield hint(problem.hint)


def _excerpt(source: str, column: int) -> tuple[str, int]:
    """The shown part of a line (of a very long one the part around the column), and the caret's offset in it."""
    at = max(0, column - 1)
    before, after = (escaped(part).replace("\t", TAB) for part in (source[:at], source[at:]))
    if len(before) + len(after) <= WIDEST:
        return before + after, len(before)
    half = WIDEST // 2
    start = before if len(before) <= half else f"…{before[-half:]}"
    end = after if len(after) <= half else f"{after[:half]}…"
    return start + end, len(start)


def as_record(error: FtlError) -> dict[str, object]:
    """The `error` object of a JSON result."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    return {
        "message": error.message,
        "cause": error.cause,
        "hint": error.hint,
        "place": _place(error.place),
        "details": list(error.details),
        "problems": [asdict(problem) for problem in problems],
    }


def _place(place: ErrorContext) -> dict[str, str] | None:
    parts = {"server": place.server, "service": place.service, "step": place.step}
    known = {name: value for name, value in parts.items() if value}
    return known or None
