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
from ftl.errors import FtlError, UsageError
from ftl.events import BackupProgress, Note
from ftl.host.backup_folders import is_much_smaller
from ftl.operations.databases.backup_files import (
    backup_path,
    default_name,
    earlier_backup,
    new_file,
    remove_stale,
)
from ftl.operations.databases.dumps import KINDS, PLAIN_NAME, StreamEnds, check_whole, require_checked
from ftl.operations.databases.tools import RunningDatabase, database_names, docker_exec, ends_with_us
from ftl.operations.selection import select_container

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Sequence
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
class OtherBackup:
    """A backup of a second database of a dependency, in a separate file.

    Attributes:
        smaller_than: As of a `BackupResult`.
    """

    database: str
    file: str
    bytes: int
    smaller_than: str | None = None


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A backup that was made.

    Attributes:
        file: Its path; `-` is stdout.
        verified: Always true: a dump that is not whole is an error. It begins and ends like one, and the database's own
            program has read all of it, where its image has one (dump.sh).
        smaller_than: The last backup in its folder, if this one has less than half of its bytes; a note says so.
        others: Those of the dependency's other databases.
        left_out: Databases with tables that are in none of these files; a note says so.
    """

    file: str
    bytes: int
    seconds: float
    verified: bool = True
    smaller_than: str | None = None
    others: tuple[OtherBackup, ...] = ()
    left_out: tuple[str, ...] = ()


async def back_up(
    fleet: Fleet,
    project: Project,
    name: str,
    file: str | None,
    observe: Observe,
    emit: Emit,
    *,
    database: str = "",
) -> BackupResult:
    """Back up a dependency: each of its databases that has tables, into a separate file.

    Without a path, or in a folder, the files have names with the time. Into a named file, or `-` for stdout, goes one
    database: the dependency's own, or `database`.

    Raises:
        FtlError: It does not run, is no database that FTL knows, its dump failed, or another backup writes the file.
            There is no new file then, but those of the databases before it.
        ServerError: The connection was lost; likewise.
    """
    began = time.monotonic()
    session, container = await select_container(
        fleet, project.name, name, observe=observe, servers=project.servers
    )
    kind = await detect(session, container, name)
    running = RunningDatabase(session, container.id, name, kind)
    if database:
        require_database(name, kind, database)
    others = () if database else (await database_names(running)).others
    own = f"{name}.{database}" if database else name
    by_time = default_name(own, kind)
    path = backup_path(file, by_time)
    named = path.name != by_time
    left_out = tuple(other for other in others if named or not PLAIN_NAME.fullmatch(other))
    if left_out:
        emit(_left_out(name, left_out))
    asked = (database,) if database else ()
    if file == STDOUT:
        ends = await _dump(running, asked, sys.stdout.buffer, emit)
        check_whole(kind, ends, "the dump")
        return BackupResult(STDOUT, ends.size, time.monotonic() - began, left_out=left_out)
    remove_stale(path.parent, own)
    size = await dump_to(running, asked, path, emit)
    smaller_than = _smaller_than(path, size, emit)
    made = []
    for other in others:
        if other in left_out:
            continue
        beside = path.with_name(f"{name}.{other}{path.name.removeprefix(name)}")
        remove_stale(path.parent, f"{name}.{other}")
        bytes_ = await dump_to(running, (other,), beside, emit)
        made.append(OtherBackup(other, str(beside), bytes_, _smaller_than(beside, bytes_, emit)))
    return BackupResult(
        str(path),
        size,
        time.monotonic() - began,
        smaller_than=smaller_than,
        others=tuple(made),
        left_out=left_out,
    )


async def dump_to(running: RunningDatabase, databases: Sequence[str], path: Path, emit: Emit) -> int:
    """Dump databases, or the dependency's own one, into a file; returns its bytes.

    Raises:
        FtlError: It failed, or another backup writes the file. There is no new file then.
    """
    with new_file(path) as sink:
        ends = await _dump(running, databases, sink, emit)
        check_whole(running.kind, ends, "the dump")
    return ends.size


def require_database(name: str, kind: DumpKind, database: str) -> None:
    """Refuse a database that cannot have a separate dump.

    Raises:
        UsageError: All are in one dump, or its name cannot be part of a file's.
    """
    if not kind.has_databases:
        raise UsageError(f"a backup of {name} has all of its data", hint="leave `--database` out")
    if not PLAIN_NAME.fullmatch(database):
        raise UsageError(
            f"`{database}` is not a name of a database that FTL backs up",
            hint="it has letters, digits, dots, _ and -",
        )


def _left_out(name: str, databases: Sequence[str]) -> Note:
    listed = ", ".join(databases)
    plain = next((each for each in databases if PLAIN_NAME.fullmatch(each)), None)
    if plain is None:
        hint = "FTL backs up databases whose names have letters, digits, dots, _ and -"
    else:
        hint = f"{ftl(f'backup {name}')} without a file backs up all, {ftl(f'backup {name} --database {plain}')} one"
    return Note(f"{name} has databases that are not in this backup: {listed}", "warning", hint=hint)


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


async def _dump(running: RunningDatabase, databases: Sequence[str], sink: BinaryIO, emit: Emit) -> StreamEnds:
    """Write a dump to a file, as it comes."""
    session, kind = running.session, running.kind
    words = (kind.tool, "", "", *databases) if databases else (kind.tool,)
    what = " ".join(("the backup of", running.name, *(f"(database {each})" for each in databases)))
    async with ends_with_us(session, running.container) as token:
        command = running.command("dump.sh", *words, token=token)
        tell = progress(running.name, "backup", emit)
        return await _dump_of(await session.machine.start(command), f"{what} failed", kind, sink, tell)


async def _dump_of(
    process: Process, failure: str, kind: DumpKind, sink: BinaryIO, tell: Callable[[int], None]
) -> StreamEnds:
    errors = asyncio.create_task(read_errors(process))
    ends = StreamEnds()
    try:
        async for data in read_chunks(process, failure):
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
        raise FtlError(failure, cause=text or f"{kind.tool} ended with status {status}")
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
