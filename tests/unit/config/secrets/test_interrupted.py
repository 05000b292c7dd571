"""Ctrl-C while the command of a secret runs ends it at once, with its children."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import MarkedProcesses

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
import os, sys
from pathlib import Path
from ftl.aio import in_thread
from ftl.cli.failure import report_and_exit_code
from ftl.cli.options import Options
from ftl.cli.running.notify import Notifier
from ftl.cli.running.run import run
from ftl.common.secret_texts import SecretTexts
from ftl.config.models.secret import Secret
from ftl.config.read.secret_values import fetch_secrets
from ftl.errors import FtlError
from ftl.operations.changes.rollback.fresh import SecretSource, fetch_fresh
from ftl.releases.record import ReleaseRecord

texts = SecretTexts({{"KEY": ("", "A", "")}})

def record(texts):
    return ReleaseRecord("r1", "live", 1.0, secret_texts=texts)

async def fail():
    raise FtlError("it failed")

def load(*_):
    vault = Secret(name="A", command=("sh", "-c", "{command}"), timeout=150)
    return fetch_secrets([vault], Path("."), {{**os.environ, "{variable}": "{value}"}})

async def work(emit):
    {work}

try:
    {run}
except BaseException as error:
    sys.exit(report_and_exit_code(error))
"""

RUN = "run(Options(), 'deploy', work, lambda _: {})"

FETCHES = {
    "before the event loop": ("pass", "load()"),
    "in a thread": ("await in_thread(load, None)", RUN),
    "for a rollback": ("await fetch_fresh(SecretSource(load, load), record({'web': texts}))", RUN),
    "of an older record": ("await fetch_fresh(SecretSource(load, load), record(None))", RUN),
    "in notify": ("await Notifier('deploy', 'shop', 'host', load).watch(fail(), str, emit=emit)", RUN),
}


@pytest.fixture
def processes() -> Iterator[MarkedProcesses]:
    """Processes that end with the test."""
    with MarkedProcesses() as own:
        yield own


@pytest.mark.parametrize("fetch", FETCHES)
def test_ctrl_c_ends_the_command_of_a_secret(fetch: str, processes: MarkedProcesses) -> None:
    """Long before its time limit; no process of it is left."""
    work, start = FETCHES[fetch]
    text = PROGRAM.format(
        command="sleep 200 & sleep 200; :",
        variable=processes.variable,
        value=processes.value,
        work=work,
        run=start,
    )
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as ftl:
        deadline = time.monotonic() + 100
        while len(processes.running()) < 3:  # the shell and both of its children
            assert time.monotonic() < deadline, "the command did not start"
            assert ftl.poll() is None, ftl.communicate()
            time.sleep(0.05)
        ftl.send_signal(signal.SIGINT)
        _, errors = ftl.communicate(timeout=60)
    assert "Traceback" not in errors
    assert ftl.returncode == 130, errors
    processes.wait_for_end()
