"""Backup of a dependency: a dump by its own tool, streamed through SSH and checked."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from ftl.common.figures import duration
from ftl.common.figures import size as size_text
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.errors import FtlError
from ftl.events import BackupProgress, Note
from ftl.host.backup_folders import is_much_smaller
from ftl.operations.databases.backup_files import (
    backup_path,
    default_name,
    earlier_backup,
    new_file,
    remove_stale,
)
from ftl.operations.databases.dumps import KINDS, StreamEnds, check_whole, require_checked
from ftl.operations.databases.tools import docker_exec, ends_with_us
from ftl.operations.selection import select_container

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.deploy.observe.observer import Observe
    from ftl.engine.values import Container
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.operations.databases.dumps import DumpKind

CHUNK = 256 * 1024
PROGRESS_SECONDS = 0.5
DETECT_SECONDS = 60.0
END_SECONDS = 30.0
STALL_SECONDS = 3600.0
"""Limit for a tool that writes nothing, and for a database that reads nothing.

A lock of a client may be in the way, or an index of a large table.
"""

ERROR_BYTES = 8_000
STDOUT = "-"


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A backup that was made.

    Attributes:
        file: Its path; `-` is stdout.
        verified: Always true: a dump that is not whole is an error. It begins and ends like one, and the database's own
            program has read all of it, where its image has one (dump.sh).
        smaller_than: The last backup in its folder, if this one has less than half of its bytes; a note says so.
    """

    file: str
    bytes: int
    seconds: float
    verified: bool = True
    smaller_than: str | None = None


async def back_up(
    fleet: Fleet, project: Project, name: str, file: str | None, observe: Observe, emit: Emit
) -> BackupResult:
    """Back up a dependency into a file.

    It is a path, or `-` for stdout; without one, or in a folder, it has a name with the time.

    Raises:
        FtlError: It does not run, is no database that FTL knows, its dump failed, or another backup writes the file.
            There is no new file then.
        ServerError: The connection was lost; likewise.
    """
    began = time.monotonic()
    session, container = await select_container(
        fleet, project.name, name, observe=observe, servers=project.servers
    )
    kind = await detect(session, container, name)
    if file == STDOUT:
        ends = await _dump(session, container, name, kind, sys.stdout.buffer, emit)
        check_whole(kind, ends, "the dump")
        return BackupResult(STDOUT, ends.size, time.monotonic() - began)
    path = backup_path(file, default_name(name, kind))
    remove_stale(path.parent, name)
    with new_file(path) as sink:
        ends = await _dump(session, container, name, kind, sink, emit)
        check_whole(kind, ends, "the dump")
    smaller_than = _smaller_than(path, ends.size, emit)
    return BackupResult(str(path), ends.size, time.monotonic() - began, smaller_than=smaller_than)


def _smaller_than(path: Path, size: int, emit: Emit) -> str | None:
    """The last backup in the folder, if this one is much smaller, which is noted."""
    earlier = earlier_backup(path)
    try:
        before = 0 if earlier is None else earlier.stat().st_size
    except OSError:  # it was removed meanwhile
        return None
    if earlier is None or not is_much_smaller(size, before):
        return None
    sizes = f"{size_text(size)} of {size_text(before)}"
    emit(
        Note(
            f"{path.name} has less than half of the bytes of {earlier.name} ({sizes}): data may be missing",
            "warning",
        )
    )
    return str(earlier)


async def detect(session: Session, container: Container, name: str) -> DumpKind:
    """The kind of dump that a container's image can make.

    Raises:
        FtlError: It has none of the tools.
    """
    kind = await dump_kind(session, container)
    if kind is None:
        raise FtlError(
            f"{name} cannot be backed up",
            cause=f"its image has none of {', '.join(KINDS)}",
            hint=f"{ftl(f'exec {name} -- COMMAND > FILE')} runs a command that does it",
        )
    return kind


async def dump_kind(session: Session, container: Container) -> DumpKind | None:
    """The kind of dump that a container's image can make; None: none that FTL knows."""
    argv = docker_exec(session, container.id, "dump.sh", "detect")
    done = await session.machine.run(argv, timeout=DETECT_SECONDS)
    return KINDS.get(done.text.strip())


async def _dump(
    session: Session, container: Container, name: str, kind: DumpKind, sink: BinaryIO, emit: Emit
) -> StreamEnds:
    """Write a dump to a file, as it comes."""
    async with ends_with_us(session, container.id) as token:
        command = docker_exec(session, container.id, "dump.sh", kind.tool, token=token)
        return await _dump_of(await session.machine.start(command), name, kind, sink, emit)


async def _dump_of(process: Process, name: str, kind: DumpKind, sink: BinaryIO, emit: Emit) -> StreamEnds:
    errors = asyncio.create_task(read_errors(process))
    ends = StreamEnds()
    tell = progress(name, "backup", emit)
    try:
        async for data in read_chunks(process, f"the backup of {name} failed"):
            await asyncio.to_thread(sink.write, data)
            ends.feed(data)
            tell(ends.size)
        async with asyncio.timeout(END_SECONDS):
            status = await process.wait()
            text = await errors
    except TimeoutError:
        status, text = 1, "it closed its output but did not end"
    finally:
        errors.cancel()
        await end(process)
    if status != 0:
        raise FtlError(
            f"the backup of {name} failed", cause=text or f"{kind.tool} ended with status {status}"
        )
    require_checked(kind, text, "the dump")
    return ends


async def read_chunks(process: Process, failure: str) -> AsyncIterator[bytes]:
    """The stdout of a process, which may not stand still.

    Raises:
        FtlError: It wrote nothing for `STALL_SECONDS`; `failure` is its message.
    """
    assert process.stdout is not None
    size = 0
    while True:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                data = await process.stdout.read(CHUNK)
        except TimeoutError:
            cause = f"no data for {duration(STALL_SECONDS)} after {size_text(size)}"
            raise FtlError(failure, cause=cause) from None
        if not data:
            return
        size += len(data)
        yield data


async def read_errors(process: Process) -> str:
    """The end of a process's stderr."""
    assert process.stderr is not None
    text = b""
    while data := await process.stderr.read(CHUNK):
        text = (text + data)[-ERROR_BYTES:]
    return text.decode("utf-8", "replace").strip()


async def end(process: Process) -> None:
    """End a process on the server, unless it has ended."""
    assert process.stdin is not None
    process.stdin.close()
    if process.returncode is None:
        with suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()


def progress(name: str, doing: str, emit: Emit) -> Callable[[int], None]:
    """A function that reports bytes, at most twice a second."""
    last = 0.0

    def tell(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_SECONDS:
            last = now
            emit(BackupProgress(name, doing, done))

    return tell


async def chunks(source: BinaryIO) -> AsyncIterator[bytes]:
    """A file by chunks, without blocking the loop."""
    while data := await asyncio.to_thread(source.read, CHUNK):
        yield data
