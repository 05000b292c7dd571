"""An error as text for people and as a record for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import ConfigError, FtlError, Interrupted, Place, Problem
from ftl.ui.sanitize import printable

if TYPE_CHECKING:
    from ftl.ui.style import Style

TAB = "    "

WIDEST = 160
"""Characters of a line of ftl.yaml that are shown."""

LONGEST = 2000
"""Characters of a foreign line: apps log whole documents in one."""


def draw(error: FtlError, style: Style) -> str:
    """What happened, where, why, what to do next; readable without colour. No newline at its end."""
    if isinstance(error, ConfigError):
        return _problems(error, style)
    lines = [_headline(error, style)]
    if str(error.place):
        lines.append(f"  at {error.place}")
    if error.cause:
        first, *more = (_shown(line) for line in error.cause.splitlines())
        lines.append(f"  because: {first}")
        lines += [f"           {line}" for line in more]
    lines += [f"  {style.dim('|')} {_shown(line)}" for line in error.details]
    if error.hint:
        gap = [""] if error.details else []  # foreign lines end here, and ours go on
        lines += [*gap, _hint(error.hint, style)]
    return "\n".join(lines)


def _shown(line: str) -> str:
    """A foreign line that neither moves the cursor nor fills the screen; the JSON record has it as it is."""
    clean = printable(line)
    return (
        clean if len(clean) <= LONGEST else f"{clean[:LONGEST]}... ({len(clean) - LONGEST} more characters)"
    )


def _headline(error: FtlError, style: Style) -> str:
    """Stopping on request is no error."""
    if isinstance(error, Interrupted):
        return error.message
    return f"{style.red('error')}: {error.message}"


def _problems(error: ConfigError, style: Style) -> str:
    """Every problem with its place; a headline above when there are several."""
    blocks = [_problem(problem, style) for problem in error.problems]
    if len(blocks) > 1:
        files = sorted({problem.file for problem in error.problems})
        blocks.insert(0, f"{style.red('error')}: {len(blocks)} problems in {' and '.join(files)}")
    return "\n\n".join(blocks)


def _problem(problem: Problem, style: Style) -> str:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    lines = [f"{style.red('error')}: {problem.message}", f"  {style.bold(place)}"]
    if problem.source and problem.line:
        margin = len(str(problem.line))
        source, caret = _excerpt(problem.source.rstrip("\n"), problem.column)
        lines.append(style.dim(f"  {problem.line} | ") + source)
        if problem.column:
            lines.append(style.dim(f"  {' ' * margin} | ") + " " * caret + style.red("^"))
    if problem.hint:
        lines.append(_hint(problem.hint, style))
    return "\n".join(lines)


def _excerpt(source: str, column: int) -> tuple[str, int]:
    """A line as it is shown, of a very long one what is around the column; and how far in the caret stands."""
    before, after = (
        part.replace("\t", TAB) for part in (source[: max(0, column - 1)], source[max(0, column - 1) :])
    )
    if len(before) + len(after) <= WIDEST:
        return before + after, len(before)
    half = WIDEST // 2
    start = before if len(before) <= half else f"…{before[-half:]}"
    end = after if len(after) <= half else f"{after[:half]}…"
    return start + end, len(start)


def _hint(text: str, style: Style) -> str:
    return f"{style.cyan('hint')}: {text}"


def as_record(error: FtlError) -> dict[str, object]:
    """The `error` object of a JSON result."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    return {
        "message": error.message,
        "cause": error.cause,
        "hint": error.hint,
        "place": _place(error.place),
        "details": list(error.details),
        "problems": [_problem_record(problem) for problem in problems],
    }


def _place(place: Place) -> dict[str, str] | None:
    parts = {"server": place.server, "service": place.service, "step": place.step}
    known = {name: value for name, value in parts.items() if value}
    return known or None


def _problem_record(problem: Problem) -> dict[str, object]:
    return {
        "message": problem.message,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "source": problem.source,
        "hint": problem.hint,
    }
