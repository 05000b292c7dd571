"""Restore of a dependency from a dump: checked first, and with the state before it kept."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tarfile
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ftl.aio import shielded
from ftl.common.figures import count, duration
from ftl.common.figures import size as size_text
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.deploy.inputs import author
from ftl.deploy.locked import locked
from ftl.deploy.plan.desired.specs import dependency_container
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.events import Note
from ftl.operations.databases.backup import (
    CHUNK,
    STDOUT,
    back_up,
    chunks,
    default_name,
    detect,
    docker_exec,
    end,
    progress,
    read_errors,
    script_text,
)
from ftl.operations.databases.dumps import ENDS, Ends, check_whole
from ftl.operations.databases.stored import fetch
from ftl.operations.guard import guarded
from ftl.operations.selection import select_container
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ftl.config import Project
    from ftl.engine.values import Container
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.operations.databases.dumps import DumpKind

READY_SECONDS = 120.0
"""Time that a database gets to start."""

SCRIPT_SECONDS = 60.0
SWAP_SECONDS = 900.0
"""Time for a script, and for one that waits until Redis has ended a save."""

STALL_SECONDS = 3600.0
"""Limit for a database that reads nothing, since an index of a large table takes long."""

DRILL_SECONDS = 6 * 3600.0
"""Time to live of a throwaway database."""


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """A restore.

    Attributes:
        name: The dependency.
        file: Path of the dump; `-` is stdin. With `stored` the name of a scheduled backup on the server, or "latest".
        root: Folder of ftl.yaml.
        drill: Restore into a throwaway container instead, and touch nothing else.
        confirm: Asks whether to go on; raises where it must not.
        lock_wait: Seconds to wait for another operation on the project to end.
        stored: It is one that the server has made.
    """

    project: Project
    name: str
    file: str
    root: Path
    drill: bool
    confirm: Callable[[], Awaitable[None]]
    lock_wait: float = 0.0
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore that was done.

    Attributes:
        kept: Where the state before it is: a database's name on the server, or a file here; empty after a drill.
        contents: What the restored database has: "12 tables".
        verified: Always true: a dump that is not whole is an error.
    """

    file: str
    bytes: int
    seconds: float
    kept: str
    contents: str
    verified: bool = True


async def restore(request: RestoreRequest, fleet: Fleet, emit: Emit) -> Restored:
    """Restore a dependency from a dump.

    PostgreSQL is restored beside its database, which then changes names with the new one. Of all others a backup is
    made first, in a file here.

    Raises:
        FtlError: The file is no whole dump of this database, or the restore failed.
        LockHeld: A deploy of the project is under way.
        ServerError: The connection, or the lock, was lost.
    """
    began = time.monotonic()
    servers = request.project.servers
    session, container = await select_container(fleet, request.project.name, request.name, servers=servers)
    kind = await detect(session, container, request.name)
    await _remove_drills(session, request.project.name)
    with ExitStack() as files:
        if request.stored:
            source: BinaryIO = files.enter_context(tempfile.TemporaryFile())
            project, name = request.project.name, request.name
            storage = fleet.require(servers[0].host if servers else "")  # where jobs run
            request = replace(request, file=await fetch(storage, project, name, request.file, source, emit))
        else:
            source = files.enter_context(_open(request.file))
        ends = _ends(source)
        check_whole(kind, ends, "stdin" if request.file == STDOUT else request.file)
        if request.drill:
            contents = await _drill(request, session, container, kind, source, emit)
            return Restored(request.file, ends.size, time.monotonic() - began, "", contents)
        await request.confirm()
        async with locked(
            fleet.first,
            request.project.name,
            command=f"restore {request.name}",
            by=(await author(request.root)).name,
            wait=request.lock_wait,
            emit=emit,
        ):
            kept = await _keep(request, fleet, kind, emit)
            try:
                contents = await _restore(session, container.id, request.name, kind, source, kept, emit)
            except FtlError as error:
                error.hint = error.hint or _way_back(request.name, kind, kept)
                raise
    return Restored(request.file, ends.size, time.monotonic() - began, kept, contents)


def _open(file: str) -> BinaryIO:
    """The dump; stdin is copied to a temporary file first, since its end is checked before anything is changed."""
    try:
        if file != STDOUT:
            path = Path(file)
            if (
                path.exists() and not path.is_file()
            ):  # a FIFO would block, and has no end that can be checked first
                raise FtlError(f"{file} is not a regular file", hint="`-` reads stdin")
            return path.open("rb")
        spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        while data := sys.stdin.buffer.read(CHUNK):
            spool.write(data)
    except OSError as error:
        raise FtlError(f"{file} cannot be read", cause=error.strerror or str(error)) from error
    return spool


def _ends(source: BinaryIO) -> Ends:
    ends = Ends()
    source.seek(0)
    ends.head = source.read(ENDS)
    ends.size = source.seek(0, 2)
    source.seek(max(0, ends.size - ENDS))
    ends.tail = source.read(ENDS)
    source.seek(0)
    return ends


async def _keep(request: RestoreRequest, fleet: Fleet, kind: DumpKind, emit: Emit) -> str:
    """Keep the state before: the new name of PostgreSQL's database, or a backup's file."""
    if kind.tool == "pg_dump":
        return f"{request.name}_{time.strftime('before_%Y%m%d_%H%M%S')}"
    name = default_name(f"{request.name}-before-restore", kind)
    backup = await back_up(fleet, request.project, request.name, name, emit)
    emit(Note(f"the state before is in {backup.file}"))
    return backup.file


def _way_back(name: str, kind: DumpKind, kept: str) -> str:
    if kind.tool == "pg_dump":
        return f"the database of {name} is as it was"
    return f"`ftl restore {name} {kept}` brings the state before back"


async def _drill(
    request: RestoreRequest,
    session: Session,
    container: Container,
    kind: DumpKind,
    source: BinaryIO,
    emit: Emit,
) -> str:
    """Restore into a throwaway container of the same image and env, and count what is there."""
    dependency = next(
        dependency for dependency in request.project.dependencies if dependency.name == request.name
    )
    marks = {
        labels.PROJECT: request.project.name,
        labels.SERVICE: request.name,
        labels.ROLE: labels.ROLE_RUN,
        labels.DRILL: "true",
    }
    spec = replace(
        dependency_container(request.project, dependency).spec,
        image=container.image_id,
        labels=marks,
        mounts=(),
        publish=(),
        networks={},
        restart="no",
    )
    name = f"{request.project.name}-{request.name}-drill-{secrets.token_hex(4)}"
    async with guarded(session.machine, "run", name, f"{DRILL_SECONDS:.0f}"):
        try:
            drill = await shielded(session.engine.create(name, spec))
            if kind.tool == "redis-cli":
                tell = progress(request.name, "restore", emit)
                await _put_file(session, drill, "/data/dump.rdb", source, tell)
            await session.engine.start(drill)
            await _ready(session, drill, request.name, kind)
            if kind.tool == "redis-cli":
                return await _count(session, drill, kind)
            return await _restore(session, drill, request.name, kind, source, "drill", emit)
        finally:
            await shielded(session.engine.remove(name, force=True))


async def _remove_drills(session: Session, project: str) -> None:
    """Remove throwaway databases that were left behind, with their data: the server went down meanwhile."""
    marks = {labels.PROJECT: project, labels.ROLE: labels.ROLE_RUN, labels.DRILL: "true"}
    for container in await session.engine.containers(labels=marks):
        if container.state in ("exited", "dead") or session.info.now - container.created > DRILL_SECONDS:
            await session.engine.remove(container.id, force=True)


async def _restore(
    session: Session, container: str, name: str, kind: DumpKind, source: BinaryIO, kept: str, emit: Emit
) -> str:
    """Restore into a container; returns what there is then."""
    tell = progress(name, "restore", emit)
    if kind.tool == "redis-cli":
        await _restore_redis(session, container, name, kind, source, tell)
    else:
        mode = "drill" if kept == "drill" else "keep"
        argv = docker_exec(session, container, "restore.sh", "restore", kind.tool, mode, kept)
        await _feed(session, argv, chunks(source), name, tell)
    return await _count(session, container, kind)


async def _restore_redis(
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
    await _ready(session, container, name, kind)


async def _put_file(
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


async def _ready(session: Session, container: str, name: str, kind: DumpKind) -> None:
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


async def _count(session: Session, container: str, kind: DumpKind) -> str:
    argv = docker_exec(session, container, "restore.sh", "count", kind.tool, "keep", "")
    done = await session.machine.run(argv, timeout=SCRIPT_SECONDS)
    number = done.stdout.decode("utf-8", "replace").strip()
    return count(int(number), kind.counted) if number.isdecimal() else ""
