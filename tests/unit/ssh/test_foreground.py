"""Children that use the streams of FTL, here of a Python process with the test's pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import asyncio, sys
from ftl.ssh.foreground import run_in_foreground
boundary = sys.argv[1] or None
sys.exit(asyncio.run(run_in_foreground(sys.argv[2:], boundary=boundary)))
"""


def call(boundary: str, *argv: str) -> list[str]:
    """Command line that runs a child in the foreground."""
    return [sys.executable, "-c", PROGRAM, boundary, *argv]


@pytest.mark.parametrize("boundary", ["", "BOUNDARY"])
def test_streams_and_status_are_the_childs(boundary: str) -> None:
    """Bytes pass both ways unchanged; with a boundary, only what comes after it."""
    data = bytes(range(256)) * 5000
    noise = "echo Welcome; printf 'to prod\\nBOUNDARY\\n';" if boundary else ""
    done = subprocess.run(
        call(boundary, "sh", "-c", f"{noise} echo oops >&2; cat; exit 7"),
        input=data,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout == data, done.stderr) == (7, True, b"oops\n")


def test_a_signals_status_is_that_of_a_shell() -> None:
    """128 and its number."""
    assert subprocess.run(call("", "sh", "-c", "kill -s TERM $$"), check=False).returncode == 143


def test_a_reader_that_has_gone_ends_the_child() -> None:
    """As in `ftl exec web -- yes | head`."""
    process = subprocess.Popen(
        call("BOUNDARY", "sh", "-c", "printf '\\nBOUNDARY\\n'; exec yes"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.read(2) == b"y\n"
    process.stdout.close()
    _, errors = process.communicate(timeout=20)
    assert b"BrokenPipeError" in errors


def test_the_child_ends_with_us() -> None:
    """Also after `kill -9`: nothing may go on reading the user's terminal."""
    process = subprocess.Popen(
        call("", "sh", "-c", "echo $$; exec sleep 1000"), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    time.sleep(0.3)  # until the guard runs
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the child goes on")
