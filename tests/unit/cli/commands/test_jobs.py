"""What `ftl jobs run` prints of a job's output."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from ftl.cli.commands.jobs import _run_fields, _show
from ftl.cli.options import Options
from ftl.cli.running.run import _finish
from ftl.common import redact
from ftl.engine.values import LogLine

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    redact.redact(["s3cret-value"])
    yield
    redact.forget()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_job_prints_no_secret_and_moves_no_cursor(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    """As `ftl logs` shows the lines of a container, on the stream that the job wrote to."""
    terminal = Terminal()
    monkeypatch.setattr(sys, stream, terminal)
    text = "\x1b]0;title\x07token \x1b[2Js3cret-value"
    _show(Options(), "nightly", LogLine(stream, "t", text))  # type: ignore[arg-type]
    assert terminal.getvalue() == "token ********\n"


def test_a_program_gets_the_lines_of_a_job_unchanged_but_for_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a pipe only values of secrets are replaced."""
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stdout", pipe)
    _show(Options(), "nightly", LogLine("stdout", "t", "\x1b[31mred s3cret-value"))
    assert pipe.getvalue() == "\x1b[31mred ********\n"


@pytest.mark.parametrize("code", [0, 4, 137])
def test_the_result_of_a_run_is_ok_if_the_job_succeeded(
    code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that failed has the job's own exit code, and says so."""
    _finish(Options(json=True), "jobs run", code, lambda code: _run_fields("nightly", code))
    result = json.loads(capsys.readouterr().out)
    assert (result["ok"], result["exit_code"], result["job"]) == (code == 0, code, "nightly")
    if code:
        assert result["error"]["message"] == f"the job nightly ended with exit code {code}"
