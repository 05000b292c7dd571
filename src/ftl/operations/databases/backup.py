"""Backup of a dependency: a consistent dump, streamed through SSH and checked."""

from __future__ import annotations

import asyncio
import fcntl
import glob
import os
import re
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ftl.common.figures import duration
from ftl.common.figures import size as size_text
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import FtlError
from ftl.events import BackupProgress
from ftl.operations.databases.dumps import KINDS, Ends, check_whole
from ftl.operations.selection import select_container
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Iterator

    from ftl.config.models.project import Project
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
_STALE_SECONDS = 5.0

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made.

    Attributes:
        file: Its path; `-` is stdout.
        verified: Always true: a dump that is not whole is an error. That of PostgreSQL has no mark at its end; its tool
            reported success.
    """

    file: str
    bytes: int
    seconds: float
    verified: bool = True


async def back_up(fleet: Fleet, project: Project, name: str, file: str | None, emit: Emit) -> Backup:
    """Back up a dependency into a file.

    It is a path, or `-` for stdout; without one, or in a folder, it has a name with the time.

    Raises:
        FtlError: It does not run, is no database that FTL knows, its dump failed, or another backup writes the file.
            There is no new file then.
        ServerError: The connection was lost; likewise.
    """
    began = time.monotonic()
    session, container = await select_container(fleet, project.name, name, servers=project.servers)
    kind = await detect(session, container, name)
    if file == STDOUT:
        ends = await _dump(session, container, name, kind, sys.stdout.buffer, emit)
        check_whole(kind, ends, "the dump")
        return Backup(STDOUT, ends.size, time.monotonic() - began)
    path = _path(file, default_name(name, kind))
    _remove_stale(path.parent, name)
    try:
        with _partial(path) as (partial, sink):
            ends = await _dump(session, container, name, kind, sink, emit)
            sink.flush()
            os.fsync(sink.fileno())
            check_whole(kind, ends, "the dump")
            partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise FtlError(f"{path} cannot be written", cause=error.strerror or str(error)) from error
    return Backup(str(path), ends.size, time.monotonic() - began)


@contextmanager
def _partial(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open `FILE.partial`, empty and locked; it is removed at the end, unless it was renamed.

    Raises:
        FtlError: Another backup has it.
        OSError: It cannot be opened.
    """
    partial = path.with_name(f"{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        try:
            fcntl.flock(sink, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The other one may have ended in between: then this is its finished file, or one that is gone.
            is_ours = partial.exists() and os.path.samestat(os.fstat(descriptor), partial.stat())
        except BlockingIOError:
            is_ours = False
        if not is_ours:
            raise FtlError(
                f"another backup writes {path} at the moment",
                hint="give each a file, or a folder, of its own",
            )
        try:
            sink.truncate()
            yield partial, sink
        finally:
            # After a rename the name may be another backup's.
            if partial.exists() and os.path.samestat(os.fstat(descriptor), partial.stat()):
                partial.unlink()


def _remove_stale(folder: Path, name: str) -> None:
    """Remove the unfinished backups with a time in their names that a kill of FTL left in a folder.

    One with a given name is used again by the next backup of that name.
    """
    unfinished = re.compile(re.escape(name) + r"(-before-restore)?-\d{8}-\d{6}\.[a-z]+\.partial")
    with suppress(OSError):
        for partial in folder.glob(f"{glob.escape(name)}-*.partial"):
            # One that has just been made may not be locked yet.
            if unfinished.fullmatch(partial.name) and time.time() - partial.stat().st_mtime > _STALE_SECONDS:
                with suppress(OSError), partial.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it has no owner any more
                    partial.unlink()


def _path(file: str | None, name: str) -> Path:
    path = Path(file or name)
    return path / name if path.is_dir() else path


def state_folder() -> Path:
    """Folder of the backups that FTL makes by itself, in the user's state directory."""
    from platformdirs import user_state_path

    return user_state_path("ftl") / "backups"


def project_folder(project: str) -> Path:
    """Folder of the backups that FTL makes of a project by itself; only the user reads it.

    Not the project's own one: a build would send a dump to the image.

    Raises:
        FtlError: It cannot be made.
    """
    folder = state_folder() / project
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FtlError(f"{folder} cannot be made", cause=error.strerror or str(error)) from error
    return folder


def default_name(name: str, kind: DumpKind) -> str:
    """Name of a backup's file: the dependency and the time."""
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}{kind.suffix}"


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
            hint=f"`ftl exec {name} -- COMMAND > FILE` runs a command that does it",
        )
    return kind


async def dump_kind(session: Session, container: Container) -> DumpKind | None:
    """The kind of dump that a container's image can make; None: none that FTL knows."""
    argv = docker_exec(session, container.id, "dump.sh", "detect")
    done = await session.machine.run(argv, timeout=DETECT_SECONDS)
    return KINDS.get(done.stdout.decode("utf-8", "replace").strip())


def docker_exec(session: Session, container: str, script: str, *arguments: str) -> list[str]:
    """Command line that runs a script of this package in a container."""
    inner = ("sh", "-c", script_text(script), "sh", *arguments)
    return docker_script(session.machine, 'docker exec -i "$@"', "ftl-dump", container, *inner)


def script_text(script: str) -> str:
    """A script of this package that runs in a container."""
    dump = program("ftl.host", "dump.sh")
    return dump.partition("host=")[0] + program(__package__, script) if script == "restore.sh" else dump


async def _dump(
    session: Session, container: Container, name: str, kind: DumpKind, sink: BinaryIO, emit: Emit
) -> Ends:
    """Write a dump to a file, as it comes."""
    process = await session.machine.start(docker_exec(session, container.id, "dump.sh", kind.tool))
    errors = asyncio.create_task(read_errors(process))
    ends = Ends()
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
        status, text = 1, "it closed its output, and did not end"
    finally:
        errors.cancel()
        await end(process)
    if status != 0:
        raise FtlError(
            f"the backup of {name} failed", cause=text or f"{kind.tool} ended with status {status}"
        )
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
            cause = f"after {size_text(size)} nothing has come for {duration(STALL_SECONDS)}"
            raise FtlError(failure, cause=cause) from None
        if not data:
            return
        size += len(data)
        yield data


async def read_errors(process: Process) -> str:
    """The end of what a process writes to stderr."""
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


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
