"""Summary of a deploy as Markdown, for the page of a CI job (`ftl deploy --summary FILE`)."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftl.cli.views.tables import maintenance_text, transfer_cells
from ftl.common.figures import duration
from ftl.common.next_step import completed
from ftl.errors import ConfigError, FtlError, UsageError
from ftl.ui.sanitize import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ftl.deploy.result import DeployResult, ServiceResult
    from ftl.errors import Problem

FIGURES = "<!-- ftl: "
"""Beginning of the last line: figures as JSON, for the action and the template of GitLab."""


@contextmanager
def summarised_failure(path: Path | None) -> Iterator[None]:
    """Append a failure to the summary, and let it pass.

    Raises:
        UsageError: The file cannot be written.
    """
    if path is not None:
        append(path, "")  # before the work: a deploy must not fail after its switch because of this file
    try:
        yield
    except FtlError as error:
        if path is not None:
            append(path, failure_text(error))
        raise


def append(path: Path, text: str) -> None:
    """Append to the summary; other steps of a job write to the same file.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"the summary {path} cannot be written", cause=error.strerror) from error


def result_text(project: str, result: DeployResult, urls: Sequence[str]) -> str:
    """The summary of a deploy that succeeded."""
    outcome = "is live" if result.changed else "was already live, nothing changed"
    lines = [f"### {project}: {result.release} {outcome}", ""]
    lines += [
        " · ".join(
            [f"server {_code(result.server)}", duration(result.seconds), *(f"<{url}>" for url in urls)]
        ),
        "",
    ]
    lines += [f"{completed(maintenance_text())}\n"] if result.maintenance else []
    units = {**result.dependencies, **result.services}
    if units:
        lines += ["| | action | image | sent | on the server already |", "|---|---|---|---|---|"]
        lines += [_row(name, unit) for name, unit in units.items()]
        lines.append("")
    lines += [f"{_code(name)} was removed: it is no longer in ftl.yaml.\n" for name in result.removed]
    figures = {
        "release": result.release,
        "changed": result.changed,
        "url": urls[0] if urls else "",
        "seconds": round(result.seconds, 3),
        "bytes": sum(unit.bytes_sent for unit in units.values()),
    }
    return "\n".join([*lines, f"{FIGURES}{json.dumps(figures)} -->", ""])


def failure_text(error: FtlError) -> str:
    """The summary of a deploy that failed: the reason, and the next step."""
    lines = [f"### Deploy failed: {_plain(error.message)}", ""]
    if isinstance(error, ConfigError):
        lines += [f"- {_problem(problem)}" for problem in error.problems] + [""]
    elif place := str(error.place):
        lines += [f"at {_plain(place)}", ""]
    if error.cause:
        lines += [f"because: {_plain(error.cause)}", ""]
    if error.hint and not isinstance(error, ConfigError):
        lines += [f"hint: {_plain(error.hint)}", ""]
    if error.details:
        fence = "~" * (max([2, *(len(line) - len(line.lstrip("~")) for line in error.details)]) + 1)
        lines += [fence, *(escaped(line) for line in error.details), fence, ""]
    return "\n".join(lines)


def _problem(problem: Problem) -> str:
    place = f"{_code(f'{problem.file}:{problem.line}')} " if problem.line else f"{_code(problem.file)} "
    return place + _plain(problem.message) + (f" ({_plain(problem.hint)})" if problem.hint else "")


def _row(name: str, unit: ServiceResult) -> str:
    sent, reused = transfer_cells(unit)
    return f"| {_code(name)} | {unit.action} | {_code(unit.image)} | {sent} | {reused} |"


def _code(text: str) -> str:
    return f"`{escaped(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _plain(text: str) -> str:
    """A text on one line; FTL's own backticks stay, and HTML is shown and not rendered."""
    return escaped(" ".join(text.splitlines())).replace("<", "&lt;")
