"""Restore of a dependency from a dump: checked first, and with the state before it kept."""

from __future__ import annotations

import shlex
import tempfile
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ftl.common.figures import size
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.deploy.inputs import author
from ftl.deploy.locked import deploy_lock, lock_servers, locked
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.locks.script_lines import NO_LOCK
from ftl.operations.databases.backup import STDOUT, detect, require_database
from ftl.operations.databases.backup_files import default_name, project_folder, remove_stale
from ftl.operations.databases.drill import drill, remove_drills
from ftl.operations.databases.dumps import check_whole, database_in_dump, database_of_file
from ftl.operations.databases.in_place import keep_state, puts_back
from ftl.operations.databases.load import check_accepts, count_contents, load_dump, missing_roles, write_over
from ftl.operations.databases.sources import LocalDump, StoredDump
from ftl.operations.databases.stored import LATEST, fetch, find_backup, read_ends
from ftl.operations.databases.tools import RunningDatabase, database_names
from ftl.operations.deployed import with_recorded_dependency
from ftl.operations.selection import select_container

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl.config.models.project import Project
    from ftl.deploy.command_line import GivenCommand
    from ftl.deploy.observe.observer import Observe
    from ftl.engine.values import Container
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.locks.script_lines import ScriptLock
    from ftl.operations.databases.sources import Dump


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """A restore.

    Attributes:
        project: Its name and servers; the rest is looked up there.
        name: The dependency, which ftl.yaml need not have any more.
        file: The dump's name: a path, or `-` for stdin. Without a `dump` that of a scheduled backup on the server, or
            "latest".
        drill: Restore into a throwaway container instead, and touch nothing else.
        confirm: Asks whether to go on; raises where it must not.
        database: Of PostgreSQL, the database that is restored, if it is not the dependency's own, nor the one that the
            file's name says.
        dump: The dump's bytes, which can be read again from their start; None for one that the server has made.
    """

    project: Project
    name: str
    file: str
    root: Path
    command: GivenCommand
    drill: bool
    confirm: Callable[[], Awaitable[None]]
    observe: Observe
    dump: BinaryIO | None = None
    database: str = ""


@dataclass(frozen=True, slots=True)
class RestoreResult:
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


async def restore(request: RestoreRequest, fleet: Fleet, emit: Emit) -> RestoreResult:
    """Restore a dependency from a dump.

    PostgreSQL is restored beside its database, which then changes names with the new one. Of all others a backup is
    made first, in the user's state folder here; MariaDB, MySQL and MongoDB get it back if the restore fails.

    Raises:
        FtlError: The file is no whole dump of this database, or the restore failed.
        LockTaken: A deploy of the project is under way.
        ServerError: The connection, or the lock, was lost.
    """
    began = time.monotonic()
    running, container = await _select(request, fleet)
    await remove_drills(running.session, request.project.name)
    with ExitStack() as files:
        if request.dump is None:
            servers = request.project.servers
            storage = fleet.require(servers[0].host if servers else "")  # where jobs run
            dump = await _stored_dump(request, storage, running, files, emit)
        else:
            dump = LocalDump(request.file, request.dump)
        check_whole(running.kind, dump.ends, "stdin" if dump.file == STDOUT else dump.file)
        await check_accepts(running)
        if request.drill:
            deployed = await with_recorded_dependency(fleet.first.engine, request.project, request.name)
            dependency = next(each for each in deployed.dependencies if each.name == request.name)
            contents = await drill(deployed, dependency, running, container.image_id, dump, emit)
            return RestoreResult(dump.file, dump.ends.size, time.monotonic() - began, "", contents)
        database = await _target(running, dump, request.database, emit)
        await request.confirm()
        by = (await author(request.root)).name
        async with locked(fleet, request.project.name, command=request.command, by=by, emit=emit):
            # An operation that we waited for may have replaced the container.
            before, (running, _) = running, await _select(request, fleet)
            if (running.session, running.kind) != (before.session, before.kind):
                raise FtlError(
                    f"{request.name} was replaced by another kind of database, or moved to another server, meanwhile",
                    hint=f"nothing was restored: run {ftl(request.command.text)} again",
                )
            there = await check_accepts(running, database)
            lock = NO_LOCK
            if running.session in lock_servers(fleet):  # the deploy lock is there, too
                server_lock = deploy_lock(running.session, request.project.name)
                lock = server_lock.for_script(f"ends the restore of {by}")
            if running.kind.tool == "pg_dump":
                await _require_roles(running, dump)
            kept, left = await _keep(running, request.project.name, dump, database if there else None, emit)
            contents = await _load(running, dump, kept, left, database, lock, emit)
    return RestoreResult(dump.file, dump.ends.size, time.monotonic() - began, kept, contents)


async def _load(
    running: RunningDatabase,
    dump: Dump,
    kept: str,
    left: tuple[str, ...],
    database: str,
    lock: ScriptLock,
    emit: Emit,
) -> str:
    """Restore into the container; returns its number of tables or the like.

    Raises:
        FtlError: It failed; the hint says which state the data is in.
    """
    if running.kind.in_place:
        async with puts_back(running, Path(kept), left, lock, emit) if kept else nullcontext():
            await write_over(running, dump, emit, lock=lock)
        return await count_contents(running)
    try:
        return await load_dump(running, dump, kept, emit, database=database, lock=lock)
    except FtlError as error:
        if running.kind.tool == "redis-cli":
            command = ftl(f"restore {running.name} {shlex.quote(kept)}")
            error.hint = error.hint or f"{command} restores the previous state"
        raise


async def _require_roles(running: RunningDatabase, dump: Dump) -> None:
    """Refuse a dump of PostgreSQL that names roles which do not exist: pg_restore would fail.

    Raises:
        FtlError: It does.
    """
    user, roles = await missing_roles(running, dump)
    if roles:
        create = ftl(f"exec {running.name} -- createuser --username={user} {shlex.quote(roles[0])}")
        raise FtlError(
            f"{running.name} does not have the roles that the dump names: {', '.join(roles)}",
            cause="they own objects in it or have grants on them, and a dump of one database has no roles",
            hint=f"{create} creates one (`--pwprompt` asks for its password); nothing was changed",
        )


async def _select(request: RestoreRequest, fleet: Fleet) -> tuple[RunningDatabase, Container]:
    """The database, and its container.

    Raises:
        UsageError: It is a service.
        FtlError: It does not run, or is no database that FTL knows.
    """
    project, name = request.project, request.name
    session, container = await select_container(
        fleet, project.name, name, observe=request.observe, servers=project.servers
    )
    if container.role != labels.ROLE_DEPENDENCY:
        raise UsageError(f"{name} is a service, and not one of the dependencies, whose data is restored")
    return RunningDatabase(session, container.id, name, await detect(session, container, name)), container


async def _stored_dump(
    request: RestoreRequest, storage: Session, running: RunningDatabase, files: ExitStack, emit: Emit
) -> Dump:
    """A scheduled backup: read where it is, if the database runs on the same server, else brought here."""
    session, database = running.session, request.database
    if database and request.file == LATEST:
        names = await database_names(running)
        if database == names.own:
            database = ""  # its backups have no name of a database
    folder, backup = await find_backup(storage, request.project, request.name, request.file, database)
    if storage is session:
        emit(Note(f"reading {backup.file} ({size(backup.bytes)}) on {session.name}"))
        return StoredDump(backup.file, await read_ends(storage, folder, backup), folder, request.project.name)
    sink: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed with `files`
    files.enter_context(sink)
    await fetch(storage, folder, backup, sink, emit)
    return LocalDump(backup.file, sink)


async def _target(running: RunningDatabase, dump: Dump, asked: str, emit: Emit) -> str:
    """The database that a dump of PostgreSQL is restored into; empty: the dependency's own.

    The one that is asked for, or that the name of the file says, which `ftl backup` has given to it.

    Raises:
        UsageError: The dump is of another database that there is, and nothing says which of them is meant; or another
            kind of dump, which says itself what it replaces, has another one.
    """
    name, named = running.name, database_of_file(running.name, dump.file)
    if running.kind.tool != "pg_dump":
        if asked and asked != named:
            raise UsageError(
                f"{running.kind.noun} says itself what it replaces", hint="leave `--database` out"
            )
        return ""
    if asked:
        require_database(name, running.kind, asked)
    target = asked or named
    if target:
        emit(Note(f"{dump.file} is restored into the database {target} of {name}"))
        return target
    inside = database_in_dump(dump.ends.head)
    names = await database_names(running) if inside else None
    if names is not None and inside in names.others:
        raise UsageError(
            f"{dump.file} is a dump of the database {inside}, which {name} has in addition to {names.own}",
            hint=f"`--database {inside}` restores it there, `--database {names.own}` into {names.own}",
        )
    if names is not None and names.own not in ("", inside):
        emit(Note(f"the dump is of a database {inside}; it replaces {names.own} of {name}"))
    return ""


async def _keep(
    running: RunningDatabase, project: str, dump: Dump, database: str | None, emit: Emit
) -> tuple[str, tuple[str, ...]]:
    """Keep the state before: the new name of PostgreSQL's database, or a backup's file; and what that leaves out.

    Empty where there is nothing yet that the dump replaces (of PostgreSQL, `database` is None).
    """
    if running.kind.tool == "pg_dump":
        # PostgreSQL cuts longer names than 63 bytes.
        before = time.strftime("before_%Y%m%d_%H%M%S")
        return "" if database is None else f"{(database or running.name)[:40]}_{before}", ()
    file = project_folder(project) / default_name(f"{running.name}-before-restore", running.kind)
    remove_stale(file.parent, running.name)
    left = await keep_state(running, dump, file, emit)
    if left is None:
        return "", ()
    emit(Note(f"the previous state is in {file}"))
    return str(file), left
