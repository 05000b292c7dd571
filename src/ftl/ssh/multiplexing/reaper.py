"""Reaper: a shell that cleans up a connection when our process ends, `kill -9` included.

It reads a pipe of ours to its end. Closing the pipe is the orderly end; our death closes it too. (A parent-death signal
exists on Linux only, and does not reach through ssh's own children.) Where our folder still exists then, the reaper
does what we could not: it ends a connection that is not kept, cancels our forwards on a kept one, and removes the
folder. Last it kills its process group, which our other ssh processes have joined.
"""

from __future__ import annotations

import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.child import finish
from ftl.common.programs import program, shell
from ftl.spawn import start_process

if TYPE_CHECKING:
    from ftl.ssh.multiplexing.kept import ConnectionFiles

FORWARDS = "forwards"
"""File name in our folder: the forwards, on each line an argument of `ssh -L`."""


async def start(files: ConnectionFiles) -> Process:
    """Start the reaper of a connection, as the leader of a new process group."""
    kind = "kept" if files.shared else "own"
    argv = shell(
        program("ftl.ssh.multiplexing", "reaper.sh"), "ftl-reaper", str(files.socket), str(files.folder), kind
    )
    return await start_process(argv, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, group=0)


async def release(reaper: Process) -> None:
    """Close the reaper's pipe, and wait for its end; bounded."""
    assert reaper.stdin is not None
    reaper.stdin.close()
    await finish(reaper)
    with suppress(ProcessLookupError):
        os.killpg(reaper.pid, signal.SIGKILL)
