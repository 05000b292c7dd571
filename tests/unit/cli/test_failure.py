"""Errors and exit codes of commands."""

from __future__ import annotations

import json
import sys

import click
import pytest

from ftl.cli.failure import DOCTOR, INTERNAL_HINT, SETUP, report_and_exit_code
from ftl.cli.options import Options, add_global_options
from ftl.cli.running.run import pass_options, run, run_sync
from ftl.common.next_step import plain
from ftl.errors import FtlError, Interrupted, LockTaken, LoginRefused, ServerError, UsageError


def fails(error: BaseException) -> click.Command:
    """A command that raises this error."""

    @click.command("fails")
    @pass_options
    def command(options: Options) -> None:
        raise error

    add_global_options(command)
    return command


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (FtlError("a"), 1, "error: a\n"),
        (UsageError("b"), 2, "error: b\n"),
        (ServerError("c", cause="no route to host"), 3, "error: c\n  because: no route to host\n"),
        (LockTaken("d", holder="ann"), 4, "error: d\n"),
        (Interrupted("stopped"), 130, "stopped\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (ExceptionGroup("tasks", [FtlError("a"), FtlError("a"), FtlError("z")]), 1, "error: a\nerror: z\n"),
        (ExceptionGroup("tasks", [ExceptionGroup("more", [ServerError("c")])]), 3, "error: c\n"),
    ],
)
def test_each_failure_has_its_words_and_code(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error is printed on stderr once, and its kind decides the exit code."""
    assert report_and_exit_code(error) == code
    assert capsys.readouterr() == ("", words)


@pytest.mark.parametrize(("command", "hinted"), [("deploy", True), ("doctor", False), (None, False)])
def test_a_server_out_of_reach_leads_to_doctor(
    command: str | None, hinted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unreachable server leads to `ftl doctor`, except from `ftl doctor`."""
    report_and_exit_code(ServerError("c"), command=command)
    assert ("`ftl doctor`" in capsys.readouterr().err) is hinted


@pytest.mark.parametrize(
    ("error", "command", "hints"),
    [
        (LoginRefused("h does not let deploy in"), "deploy", [f"{SETUP}; {DOCTOR}"]),
        (LoginRefused("h does not let deploy in"), "setup", [DOCTOR]),
        (ServerError("no Docker on h", hint="`ftl setup` does it"), "deploy", ["`ftl setup` does it"]),
        (ServerError("h is silent", hint="is it up?"), "deploy", ["is it up?", DOCTOR]),
    ],
)
def test_a_bare_server_leads_to_setup(
    error: ServerError, command: str, hints: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A new server has neither the user nor Docker: the next step is `ftl setup`, not a check."""
    report_and_exit_code(error, command=command)
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")] == list(
        map(plain, hints)
    )


def test_a_broken_pipe_that_is_not_stdout_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """A broken pipe of a connection is an error, unlike one of stdout."""
    assert report_and_exit_code(ExceptionGroup("tasks", [BrokenPipeError(32, "Broken pipe")])) == 1
    assert "Broken pipe" in capsys.readouterr().err


def test_a_bug_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected exception exits 1 with one sentence and a hint, without a traceback."""
    with pytest.raises(SystemExit) as ended:
        fails(KeyError("x")).main([], standalone_mode=False)
    out, err = capsys.readouterr()
    assert ended.value.code == 1
    assert out == ""
    assert err == f"error: internal error: KeyError: 'x'\nhint: {INTERNAL_HINT}\n"


def test_tracebacks_come_with_vv(capsys: pytest.CaptureFixture[str]) -> None:
    """With -vv the traceback is printed, too."""
    with pytest.raises(SystemExit):
        fails(KeyError("x")).main(["-vv"], standalone_mode=False)
    assert "Traceback" in capsys.readouterr().err


def test_a_failure_is_the_last_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json an error is a result object with the command's name and the exit code."""
    with pytest.raises(SystemExit):
        fails(ServerError("no", hint="try", cause="because")).main(
            ["--json"], "ftl fails", standalone_mode=False
        )
    result = json.loads(capsys.readouterr().out)
    error = result.pop("error")
    assert result == {"type": "result", "ok": False, "command": "fails", "exit_code": 3}
    assert (error["message"], error["hint"], error["cause"]) == ("no", "try", "because")


def test_a_result_is_the_last_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json success is a result object with the command's fields."""

    async def work(_: object) -> str:
        return "r5"

    assert run(Options(json=True), "deploy", work, lambda release: {"release": release}) == "r5"
    assert json.loads(capsys.readouterr().out) == {
        "type": "result",
        "ok": True,
        "command": "deploy",
        "release": "r5",
    }


def test_without_json_nothing_is_printed_for_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json `run_sync` prints nothing: the command prints its result."""
    assert run_sync(Options(), "validate", lambda: 1, lambda number: {"ok": number}) == 1
    assert capsys.readouterr().out == ""


def test_work_without_a_server_needs_no_event_loop() -> None:
    """Commands that only read files do not import asyncio."""
    import subprocess

    code = (
        "import sys; from ftl.cli.options import Options; from ftl.cli.running.run import run_sync; "
        "run_sync(Options(json=True), 'x', dict, dict); sys.exit('asyncio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
