"""Children are reaped once, and none is left when the event loop is closed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from ftl.child import complete
from ftl.spawn import end_children, start_process

if TYPE_CHECKING:
    from collections.abc import Callable

LATE = 0.2
"""Seconds by which asyncio's watcher notices ends too late, as on a busy machine."""


@pytest.fixture
def late_watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only asyncio's watcher is late: `subprocess` has its own reference to waitpid."""
    waitpid = os.waitpid

    def late(pid: int, options: int) -> tuple[int, int]:
        time.sleep(LATE)
        return waitpid(pid, options)

    monkeypatch.setattr(os, "waitpid", late)


@pytest.mark.usefixtures("late_watcher")
@pytest.mark.parametrize(
    "meddle",
    [
        lambda process: process.terminate(),
        lambda process: process.kill(),
        lambda process: process.send_signal(signal.SIGINT),
    ],
)
def test_a_signal_to_a_child_that_has_just_ended_leaves_its_status(
    meddle: Callable[[asyncio.subprocess.Process], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Its exit status is its own, and nothing is logged of an unknown process."""

    async def work() -> int:
        process = await start_process(["sh", "-c", "exit 7"], stdin=PIPE, stdout=PIPE, stderr=PIPE)
        assert process.stdout is not None
        await process.stdout.read()  # it has closed its stdout: it is about to end
        await asyncio.sleep(LATE / 4)
        meddle(process)
        return await process.wait()

    assert asyncio.run(work()) == 7
    assert caplog.records == []


@pytest.mark.usefixtures("late_watcher")
def test_a_child_that_is_given_up_is_reaped_by_the_watcher(caplog: pytest.LogCaptureFixture) -> None:
    """Killed and closed at once, as after a time limit: nothing is logged."""

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await complete(["sh", "-c", "trap '' TERM; sleep 60"], seconds=0.1)
        await end_children()

    asyncio.run(work())
    assert caplog.records == []


LEAVES = """
import asyncio, gc
from asyncio.subprocess import PIPE
from ftl.spawn import ProcessStreams, end_children, spawn, start_process

async def work():
    await spawn(ProcessStreams, ["sleep", "60"], session=True)
    process = await start_process(
        ["sh", "-c", "sleep 5 & :"], stdin=PIPE, stdout=PIPE, stderr=PIPE, session=True
    )
    while process.returncode is None:
        await asyncio.sleep(0.01)
    await end_children()

asyncio.run(work())
gc.collect()
"""


def test_nothing_is_open_when_the_loop_is_closed() -> None:
    """Neither a child that runs nor one whose child has its pipes leaves a transport or a word behind.

    In a process of its own: other tests leave objects, too.
    """
    program = [sys.executable, "-W", "always::ResourceWarning", "-c", LEAVES]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
