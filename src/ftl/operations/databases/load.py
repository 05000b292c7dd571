"""Load of a dump into a database's container, which is ready before and is counted after it."""

from __future__ import annotations

import asyncio
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ftl.common.figures import count, duration
from ftl.common.figures import size as size_text
from ftl.common.programs import program
from ftl.errors import FtlError
from ftl.operations.databases.backup import (
    CHUNK,
    chunks,
    docker_exec,
    end,
    progress,
    read_errors,
    script_text,
)
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.operations.databases.dumps import DumpKind


READY_SECONDS = 120.0
"""Time that a database gets to start."""

SCRIPT_SECONDS = 60.0
SWAP_SECONDS = 900.0
"""Time for a script, and for one that waits until Redis has ended a save."""

STALL_SECONDS = 3600.0
"""Limit for a database that reads nothing, since an index of a large table takes long."""


async def load_dump(
    session: Session, container: str, name: str, kind: DumpKind, source: BinaryIO, kept: str, emit: Emit
) -> str:
    """Restore into a container; returns its number of tables or the like."""
    tell = progress(name, "restore", emit)
    if kind.tool == "redis-cli":
        await _load_redis(session, container, name, kind, source, tell)
    else:
        mode = "drill" if kept == "drill" else "keep"
        argv = docker_exec(session, container, "restore.sh", "restore", kind.tool, mode, kept)
        await _feed(session, argv, chunks(source), name, tell)
    return await count_contents(session, container, kind)


async def _load_redis(
    session: Session,
    container: str,
    name: str,
    kind: DumpKind,
    source: BinaryIO,
    tell: Callable[[int], None],
) -> None:
    """Replace the file that Redis reads at its start: it is put beside first, then one script does the rest.

    Cut before that script, nothing has changed; the script goes on without us.
    """
    size = source.seek(0, 2)
    source.seek(0)
    argv = docker_exec(session, container, "restore.sh", "put", kind.tool, "keep", str(size))
    await _feed(session, argv, chunks(source), name, tell)
    swap = program(__package__, "swap.sh")
    argv = docker_script(session.machine, swap, "ftl-restore", container, script_text("restore.sh"))
    done = await session.machine.run(argv, timeout=SWAP_SECONDS)
    if done.exit_code != 0:
        raise FtlError(
            f"the restore of {name} failed", cause=done.stderr.decode("utf-8", "replace").strip() or None
        )
    await await_ready(session, container, name, kind)


async def put_file(
    session: Session, container: str, path: str, source: BinaryIO, tell: Callable[[int], None]
) -> None:
    """Write a file into a container that does not run, by `docker cp` of a tar stream."""
    entry = tarfile.TarInfo(Path(path).name)
    entry.size = source.seek(0, 2)
    entry.mode = 0o644
    source.seek(0)

    async def archive() -> AsyncIterator[bytes]:
        yield entry.tobuf(tarfile.PAX_FORMAT)
        async for data in chunks(source):
            yield data
        yield bytes(-entry.size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)

    argv = docker_script(
        session.machine, 'docker cp - "$1:$2"', "ftl-restore", container, str(Path(path).parent)
    )
    await _feed(session, argv, archive(), path, tell)


async def _feed(
    session: Session, argv: list[str], data: AsyncIterator[bytes], name: str, tell: Callable[[int], None]
) -> None:
    """Run a command on the server with a stream as its stdin; it may not stand still for `STALL_SECONDS`."""
    process = await session.machine.start(argv)
    assert process.stdin is not None
    assert process.stdout is not None
    errors = asyncio.create_task(read_errors(process))
    output = asyncio.create_task(_discard(process.stdout))
    size = 0
    try:
        with suppress(ConnectionError):  # it has ended, and its status says why
            async for chunk in data:
                process.stdin.write(chunk)
                async with asyncio.timeout(STALL_SECONDS):
                    await process.stdin.drain()
                size += len(chunk)
                tell(size)
            process.stdin.write_eof()
        async with asyncio.timeout(STALL_SECONDS):
            status = await process.wait()
            text = await errors
    except TimeoutError:
        raise FtlError(
            f"the restore of {name} failed",
            cause=f"after {size_text(size)} it has read nothing for {duration(STALL_SECONDS)}, and has not ended",
        ) from None
    finally:
        errors.cancel()
        output.cancel()
        await end(process)
    if status != 0:
        raise FtlError(f"the restore of {name} failed", cause=text or f"it ended with status {status}")


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(CHUNK):
        pass


async def await_ready(session: Session, container: str, name: str, kind: DumpKind) -> None:
    """Wait until a database accepts clients."""
    argv = docker_exec(session, container, "restore.sh", "ready", kind.tool, "keep", "")
    try:
        async with asyncio.timeout(READY_SECONDS):
            while (await session.machine.run(argv, timeout=SCRIPT_SECONDS)).exit_code != 0:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise FtlError(
            f"{name} does not accept clients after {READY_SECONDS:g} s", hint=f"`ftl logs {name}` says why"
        ) from None


async def count_contents(session: Session, container: str, kind: DumpKind) -> str:
    """Count what a database has: "12 tables"; empty where it does not say."""
    argv = docker_exec(session, container, "restore.sh", "count", kind.tool, "keep", "")
    done = await session.machine.run(argv, timeout=SCRIPT_SECONDS)
    number = done.stdout.decode("utf-8", "replace").strip()
    return count(int(number), kind.counted) if number.isdecimal() else ""
