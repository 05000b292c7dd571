"""What a command leaves behind in its event loop, with real processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEAVES = """
import asyncio, gc
from ftl.cli.options import Options
from ftl.cli.running.run import run
from ftl.child import start

async def fails():
    raise ConnectionResetError("the server is gone")

async def work(emit):
    {work}

run(Options({options}), "deploy", work, lambda _: {{}})
gc.collect()
"""

FAILING_TASK = "asyncio.create_task(fails()); await asyncio.sleep(0.01)"
RUNNING_CHILD = 'process = await start(["sleep", "60"]); print(process.pid)'


def words(work: str, options: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command with this work."""
    program = LEAVES.format(work=work, options=options)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )


@pytest.mark.parametrize("work", [FAILING_TASK, RUNNING_CHILD])
def test_nothing_is_printed_of_what_nobody_waited_for(work: str) -> None:
    """Neither a task that failed nor a child that still ran ends in a traceback."""
    assert words(work).stderr == ""


def test_the_traceback_of_a_stray_task_is_shown_with_two_v() -> None:
    """Whoever looks for a bug can see it."""
    assert "ConnectionResetError: the server is gone" in words(FAILING_TASK, "verbose=2").stderr


def test_a_child_that_still_ran_has_ended() -> None:
    """It does not outlive the command."""
    pid = words(RUNNING_CHILD).stdout.strip()
    listed = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False)
    assert listed.stdout.strip() in ("", "Z")


def test_a_signal_before_the_work_has_begun_ends_in_no_warning() -> None:
    """Python warns of a coroutine that was never awaited."""
    program = """
import asyncio
from ftl.cli.options import Options
from ftl.cli.running.run import run

async def work(emit):
    raise AssertionError

def interrupted(running):
    raise KeyboardInterrupt

asyncio.run = interrupted
try:
    run(Options(), "deploy", work, lambda _: {})
except KeyboardInterrupt:
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
