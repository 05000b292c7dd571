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
from ftl.operations.databases.backup import STDOUT, DumpSource, detect, require_database
from ftl.operations.databases.backup_files import default_name, project_folder, remove_stale
from ftl.operations.databases.drill import drill, remove_drills
from ftl.operations.databases.dumps import check_whole, database_in_dump, database_of_file
from ftl.operations.databases.in_place import keep_state, puts_back
from ftl.operations.databases.load import check_accepts, count_contents, load_dump, missing_roles, write_over
from ftl.operations.databases.sources import LocalDump, StoredDump
from ftl.operations.databases.stored import LATEST, fetch, find_backup, read_ends
from ftl.operations.databases.tools import database_names
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
    from ftl.operations.databases.dumps import DumpKind
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
    session, container, kind = await _select(request, fleet)
    await remove_drills(session, request.project.name)
    source = DumpSource(session, container, request.name, kind)
    with ExitStack() as files:
        if request.dump is None:
            servers = request.project.servers
            storage = fleet.require(servers[0].host if servers else "")  # where jobs run
            dump = await _stored_dump(request, storage, source, files, emit)
        else:
            dump = LocalDump(request.file, request.dump)
        check_whole(kind, dump.ends, "stdin" if dump.file == STDOUT else dump.file)
        await check_accepts(session, container.id, request.name, kind)
        if request.drill:
            deployed = await with_recorded_dependency(fleet.first.engine, request.project, request.name)
            dependency = next(each for each in deployed.dependencies if each.name == request.name)
            contents = await drill(deployed, dependency, session, container, kind, dump, emit)
            return RestoreResult(dump.file, dump.ends.size, time.monotonic() - began, "", contents)
        database = await _target(source, dump, request.database, emit)
        await request.confirm()
        by = (await author(request.root)).name
        async with locked(
            fleet,
            request.project.name,
            command=request.command,
            by=by,
            emit=emit,
        ):
            # An operation that we waited for may have replaced the container.
            current, container, kind_now = await _select(request, fleet)
            if (current, kind_now) != (session, kind):
                raise FtlError(
                    f"{request.name} was replaced by another kind of database, or moved to another server, meanwhile",
                    hint=f"nothing was restored: run {ftl(request.command.text)} again",
                )
            there = await check_accepts(session, container.id, request.name, kind, database)
            lock = NO_LOCK
            if session in lock_servers(fleet):  # the deploy lock is there, too
                lock = deploy_lock(session, request.project.name).for_script(f"ends the restore of {by}")
            source = DumpSource(session, container, request.name, kind)
            if kind.tool == "pg_dump":
                await _require_roles(source, dump)
            kept, left = await _keep(source, request.project.name, dump, database if there else None, emit)
            contents = await _load(source, dump, kept, left, database, lock, emit)
    return RestoreResult(dump.file, dump.ends.size, time.monotonic() - began, kept, contents)


async def _load(
    source: DumpSource,
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
    session, container, name, kind = source.session, source.container.id, source.name, source.kind
    if kind.in_place:
        async with puts_back(source, Path(kept), left, lock, emit) if kept else nullcontext():
            await write_over(session, container, name, kind, dump, emit, lock=lock)
        return await count_contents(session, container, kind)
    try:
        return await load_dump(session, container, name, kind, dump, kept, emit, database=database, lock=lock)
    except FtlError as error:
        if kind.tool == "redis-cli":
            error.hint = (
                error.hint or f"{ftl(f'restore {name} {shlex.quote(kept)}')} restores the previous state"
            )
        raise


async def _require_roles(source: DumpSource, dump: Dump) -> None:
    """Refuse a dump of PostgreSQL that names roles which do not exist: pg_restore would fail.

    Raises:
        FtlError: It does.
    """
    user, roles = await missing_roles(source.session, source.container.id, dump)
    if roles:
        create = ftl(f"exec {source.name} -- createuser --username={user} {shlex.quote(roles[0])}")
        raise FtlError(
            f"{source.name} does not have the roles that the dump names: {', '.join(roles)}",
            cause="they own objects in it or have grants on them, and a dump of one database has no roles",
            hint=f"{create} creates one (`--pwprompt` asks for its password); nothing was changed",
        )


async def _select(request: RestoreRequest, fleet: Fleet) -> tuple[Session, Container, DumpKind]:
    """The server and the container of the database, and its kind of dump.

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
    return session, container, await detect(session, container, name)


async def _stored_dump(
    request: RestoreRequest, storage: Session, source: DumpSource, files: ExitStack, emit: Emit
) -> Dump:
    """A scheduled backup: read where it is, if the database runs on the same server, else brought here."""
    session, database = source.session, request.database
    if database and request.file == LATEST:
        names = await database_names(session, source.container, source.name, source.kind)
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


async def _target(source: DumpSource, dump: Dump, asked: str, emit: Emit) -> str:
    """The database that a dump of PostgreSQL is restored into; empty: the dependency's own.

    The one that is asked for, or that the name of the file says, which `ftl backup` has given to it.

    Raises:
        UsageError: The dump is of another database that there is, and nothing says which of them is meant; or another
            kind of dump, which says itself what it replaces, has another one.
    """
    name, named = source.name, database_of_file(source.name, dump.file)
    if source.kind.tool != "pg_dump":
        if asked and asked != named:
            raise UsageError(
                f"{source.kind.noun} says itself what it replaces", hint="leave `--database` out"
            )
        return ""
    if asked:
        require_database(name, source.kind, asked)
    target = asked or named
    if target:
        emit(Note(f"{dump.file} is restored into the database {target} of {name}"))
        return target
    inside = database_in_dump(dump.ends.head)
    names = await database_names(source.session, source.container, name, source.kind) if inside else None
    if names is not None and inside in names.others:
        raise UsageError(
            f"{dump.file} is a dump of the database {inside}, which {name} has in addition to {names.own}",
            hint=f"`--database {inside}` restores it there, `--database {names.own}` into {names.own}",
        )
    if names is not None and names.own not in ("", inside):
        emit(Note(f"the dump is of a database {inside}; it replaces {names.own} of {name}"))
    return ""


async def _keep(
    source: DumpSource, project: str, dump: Dump, database: str | None, emit: Emit
) -> tuple[str, tuple[str, ...]]:
    """Keep the state before: the new name of PostgreSQL's database, or a backup's file; and what that leaves out.

    Empty where there is nothing yet that the dump replaces (of PostgreSQL, `database` is None).
    """
    if source.kind.tool == "pg_dump":
        # PostgreSQL cuts longer names than 63 bytes.
        before = time.strftime("before_%Y%m%d_%H%M%S")
        return "" if database is None else f"{(database or source.name)[:40]}_{before}", ()
    file = project_folder(project) / default_name(f"{source.name}-before-restore", source.kind)
    remove_stale(file.parent, source.name)
    left = await keep_state(source, dump, file, emit)
    if left is None:
        return "", ()
    emit(Note(f"the previous state is in {file}"))
    return str(file), left
