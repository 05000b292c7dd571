"""Ctrl-C, SIGTERM and closed pipes, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WORK = """
import asyncio, sys
from ftl.cli.options import Options
from ftl.cli.running.run import run
from ftl.cli.failure import report_and_exit_code
from ftl.errors import FtlError

async def work(emit):
    print("ready", flush=True)
    try:
        await asyncio.sleep(30)
    finally:
        {cleanup}

try:
    run(Options({options}), "deploy", work, lambda _: {{}})
except BaseException as error:
    sys.exit(report_and_exit_code(error))
"""


def start(cleanup: str, options: str = "") -> subprocess.Popen[str]:
    """Start a command that works until it is stopped, and then cleans up."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK.format(cleanup=cleanup, options=options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_work_which_cleans_up(number: signal.Signals) -> None:
    """The first signal cancels the work; its cleanup runs, and the exit code is 130."""
    process = start('print("cleaned", flush=True)')
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "cleaned\n", "stopped\n")


@pytest.mark.parametrize("options", ["", "json=True"])
def test_a_second_signal_does_not_wait(options: str) -> None:
    """A second Ctrl-C during the cleanup exits at once, with a message."""
    process = start('print("cleaning", flush=True); await asyncio.sleep(30)', options)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    if options:
        assert json.loads(out)["error"]["message"] == "stopped at once"
    else:
        assert err.startswith("stopped at once\n")


def test_what_goes_wrong_while_stopping_is_told() -> None:
    """An error of the cleanup is the cause of the interruption, which keeps its exit code."""
    process = start('raise FtlError("the server is gone")')
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "stopped\n  because: the server is gone\n"


def test_an_ignored_hangup_stays_ignored() -> None:
    """Under nohup, closing the terminal does not stop a deploy."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WORK.format(
        cleanup="pass", options=""
    ).replace("await asyncio.sleep(30)", "import os; os.kill(os.getpid(), 1); await asyncio.sleep(0.2)")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    """`ftl ... | head -1`: when the reader closes stdout, the program exits 0 without a message."""
    program = tmp_path / "many.py"
    program.write_text(
        "import sys\nfrom ftl.cli.output import put\nfrom ftl.cli.failure import report_and_exit_code\n"
        "try:\n    while True: put('line')\nexcept BaseException as error: sys.exit(report_and_exit_code(error))\n"
    )
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, str(program)], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert os.read(read, 5) == b"line\n"
    os.close(read)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_failure_keeps_its_code_when_nobody_reads(as_json: bool) -> None:
    """An error that cannot be printed, because the pipe is closed, keeps its exit code."""
    code = (
        "import sys\nfrom ftl.cli.failure import report_and_exit_code\nfrom ftl.errors import ServerError\n"
        f"sys.exit(report_and_exit_code(ServerError('no'), as_json={as_json}))"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=write if as_json else subprocess.PIPE,
        stderr=subprocess.PIPE if as_json else write,
        text=True,
        timeout=20,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr if as_json else done.stdout) == (3, "")
