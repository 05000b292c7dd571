"""A child process whose lines are read while it runs, and which never outlives the call."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

INTERRUPT_SECONDS = 5.0
"""How long a child may take to end after Ctrl-C's signal: a builder tells the engine to give up."""

TERMINATE_SECONDS = 2.0
"""How long it may take after SIGTERM, before it is killed."""

_CHUNK = 64 * 1024


@asynccontextmanager
async def lines_of(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path
) -> AsyncIterator[tuple[AsyncIterator[str], asyncio.subprocess.Process]]:
    """Run `argv`; gives its lines (both outputs, merged in order) and the process.

    The child heads a process group of its own, so that a Ctrl-C at the terminal reaches it through us alone.
    When the block is left while it still runs, it is interrupted, then terminated, then killed, and so are its
    own children.

    Raises:
        OSError: The program cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=dict(env),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield _lines(process), process
    finally:
        await asyncio.shield(_end(process))


async def output_of(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float
) -> tuple[int, str]:
    """Run a short command; returns its exit status and what it printed. Raises TimeoutError, OSError."""
    async with asyncio.timeout(timeout), lines_of(argv, env=env, cwd=cwd) as (lines, process):
        text = "\n".join([line async for line in lines])
        return await process.wait(), text


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    """Lines of any length; only a newline ends one: a carriage return overwrites it."""
    assert process.stdout is not None
    pending = b""
    while chunk := await process.stdout.read(_CHUNK):
        *whole, pending = (pending + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    if pending:
        yield pending.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    for number, seconds in (
        (signal.SIGINT, INTERRUPT_SECONDS),
        (signal.SIGTERM, TERMINATE_SECONDS),
        (signal.SIGKILL, TERMINATE_SECONDS),
    ):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _drain(process)


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Wait for the end while reading on: a child that cannot write cannot end."""
    assert process.stdout is not None
    while await process.stdout.read(_CHUNK):
        pass
    await process.wait()
