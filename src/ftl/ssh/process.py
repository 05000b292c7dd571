"""Child processes that end: bounded waits, and a cascade of signals for those that do not go by themselves."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.ssh.machine import Completed

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds that a child gets between being asked, told and killed.
ASKED = 3.0
TOLD = 2.0

# Bytes that a reader buffers: a line of JSON or base64 may be long.
READ_LIMIT = 1 << 20


async def finish(process: Process) -> None:
    """Wait for a child that was asked to end; terminate it when it does not, and kill it then."""
    for seconds, signal in ((ASKED, process.terminate), (TOLD, process.kill)):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            return
        with suppress(ProcessLookupError):
            signal()
    await process.wait()


async def stop(process: Process) -> None:
    """Terminate a child, kill it when that does not help, and wait for its end."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        await finish(process)


async def start(argv: Sequence[str], *, stdin: int = PIPE) -> Process:
    """Start a child with pipes, out of reach of the terminal's Ctrl-C: it is ours to end."""
    return await asyncio.create_subprocess_exec(
        *argv, stdin=stdin, stdout=PIPE, stderr=PIPE, limit=READ_LIMIT, start_new_session=True
    )


async def complete(argv: Sequence[str], *, stdin: bytes | None, seconds: float) -> Completed:
    """Run a child to its end.

    Raises:
        TimeoutError: It did not end in time; it has been ended. So it has when this is cancelled.
        FileNotFoundError: There is no such program.
    """
    process = await start(argv, stdin=DEVNULL if stdin is None else PIPE)
    try:
        async with asyncio.timeout(seconds):
            stdout, stderr = await process.communicate(stdin)
    finally:
        await stop(process)
    return Completed(tuple(argv), process.returncode or 0, stdout, stderr)
