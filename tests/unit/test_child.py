"""Child processes do not outlive FTL."""

from __future__ import annotations

import os
import subprocess
import sys
import time

STARTS = """
import asyncio, sys
from ftl.child import lines_of

async def work(*argv):
    async with lines_of(argv) as (lines, process):
        async for line in lines:
            print(line, flush=True)

asyncio.run(work(*sys.argv[1:]))
"""


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
