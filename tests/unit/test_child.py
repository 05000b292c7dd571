"""Child processes do not outlive FTL."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftl.child import ChildTimeout, complete, lines_of
from tests.support.processes import MarkedProcesses

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTS = """
import asyncio, sys
from ftl.child import lines_of

async def work(*argv):
    async with lines_of(argv) as (lines, process):
        async for line in lines:
            print(line, flush=True)

asyncio.run(work(*sys.argv[1:]))
"""


@pytest.fixture
def processes() -> Iterator[MarkedProcesses]:
    """Processes that end with the test."""
    with MarkedProcesses() as own:
        yield own


def test_a_child_ends_even_if_its_parent_is_killed() -> None:
    """After a kill -9, which leaves no time to clean up, the child ends with its children."""
    argv = [sys.executable, "-c", STARTS, "sh", "-c", "echo $$; sleep 60; echo on"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        time.sleep(0.2)
        os.killpg(group, 0)
        parent.kill()
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("the child lives on")


BACKGROUND = "sleep 60 & echo token"
"""A command that leaves a process with its pipes."""


def test_a_command_is_over_although_its_child_keeps_the_pipes(processes: MarkedProcesses) -> None:
    """A hook or a login command that starts something in the background ends a second after its shell (W-8)."""

    async def work() -> tuple[bytes, list[str]]:
        done = await complete(["sh", "-c", processes.marked(BACKGROUND)], seconds=30)
        async with lines_of(["sh", "-c", processes.marked(BACKGROUND)]) as (lines, process):
            output = [line async for line in lines]
            assert await process.wait() == 0
        return done.stdout, output

    began = time.monotonic()
    assert asyncio.run(work()) == (b"token\n", ["token"])
    assert time.monotonic() - began < 10


def test_a_command_that_is_given_up_ends_with_its_children(processes: MarkedProcesses) -> None:
    """After a time limit neither the shell nor what it started is left."""

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await complete(
                ["sh", "-c", processes.marked("trap '' TERM; sleep 60 & sleep 60; :")], seconds=0.5
            )

    asyncio.run(work())
    processes.wait_for_end()


def test_a_child_that_ends_at_once_leaves_none_that_ignores_the_signal(processes: MarkedProcesses) -> None:
    """A shell that SIGTERM ends, with a child that it does not."""

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await complete(
                ["sh", "-c", processes.marked("(trap '' TERM; sleep 60; :) & sleep 60; :")], seconds=0.5
            )

    asyncio.run(work())
    processes.wait_for_end(2)


def test_what_a_command_has_said_is_known_when_it_is_given_up() -> None:
    """Its words up to then, and not those with which it ends."""

    async def work() -> ChildTimeout:
        script = "trap 'echo bye >&2; exit' TERM; echo hello >&2; echo waiting for a key >&2; sleep 60 & wait"
        with pytest.raises(ChildTimeout) as caught:
            await complete(["sh", "-c", script], seconds=3)
        return caught.value

    late = asyncio.run(work())
    assert late.error_text == "hello\nwaiting for a key"
    assert str(late) == "it did not end within 3 s: waiting for a key"


@pytest.mark.parametrize("turns", range(1, 9))
def test_a_cancellation_while_a_child_starts_is_not_delayed_by_its_pipes(
    turns: int, processes: MarkedProcesses
) -> None:
    """At whatever turn of the loop it comes; the child's own children have the pipes and are ended, too."""

    async def work() -> float:
        command = ["sh", "-c", processes.marked("sleep 60 >/dev/null; :")]
        running = asyncio.create_task(complete(command, seconds=60))
        for _ in range(turns):
            await asyncio.sleep(0)
        began = time.monotonic()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        return time.monotonic() - began

    assert asyncio.run(work()) < 10
    processes.wait_for_end()
