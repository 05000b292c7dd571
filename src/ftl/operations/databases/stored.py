"""Scheduled backups on the server: their list, and fetching one.

They are found without the job that made them: when that is gone, and after `ftl remove`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from ftl.common.figures import size as size_text
from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.host.backup_folders import LIST_SECONDS, newest_first, read_command, stored_folders
from ftl.operations.databases.backup import end, progress, read_chunks, read_errors
from ftl.operations.databases.dumps import ENDS, StreamEnds
from ftl.releases.record import backup_folders_of
from ftl.releases.store import read_records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.config.models.project import Project
    from ftl.events import Emit
    from ftl.host.backup_folders import BackupFolder, StoredBackup
    from ftl.host.session import Session

LATEST = "latest"


async def stored_backups(
    session: Session, project: Project, name: str | None = None
) -> tuple[StoredBackup, ...]:
    """List the scheduled backups of a project, or of one dependency: newest first.

    Raises:
        FtlError: A folder of them cannot be read.
    """
    stored = await stored_folders(session, project.name, await _paths(session, project))
    backups = [one for each in stored for one in each.backups if name in (None, one.dependency)]
    return tuple(sorted(newest_first(backups), key=lambda one: one.dependency))


def note_smaller(backups: Iterable[StoredBackup], emit: Emit) -> None:
    """Note the newest backup of each database that is much smaller than a previous one."""
    newest = {(one.dependency, one.database): one for one in reversed(newest_first(backups))}
    for one in newest.values():
        if one.smaller_than is not None:
            emit(
                Note(
                    f"{one.file} has less than half of the bytes of {one.smaller_than}: data may be missing",
                    "warning",
                    hint="that one stays on the server until a backup is as large again, or you remove it there",
                )
            )


async def find_backup(
    session: Session, project: Project, name: str, file: str, database: str = ""
) -> tuple[BackupFolder, StoredBackup]:
    """Find a dependency's backup by name, or the `LATEST` of a database, and its folder.

    Raises:
        UsageError: There is no such backup.
        FtlError: The folder cannot be read.
    """
    stored = await stored_folders(session, project.name, await _paths(session, project))
    folders = {one: each.folder for each in stored for one in each.backups if one.dependency == name}
    chosen = next(
        (
            one
            for one in newest_first(folders)
            if file == one.file or (file == LATEST and (one.database or "") == database)
        ),
        None,
    )
    if chosen is None:
        of = f"the database {database} of {name}" if database else name
        what = f"no backup of {of}" if file == LATEST else f"no backup {file} of {name}"
        hint = (
            f"{ftl('backup --list')} lists them"
            if folders
            else f"add `backups` to ftl.yaml and run {ftl('deploy')}"
        )
        raise UsageError(f"there is {what} on {session.name}", hint=hint)
    return folders[chosen], chosen


async def read_ends(session: Session, folder: BackupFolder, backup: StoredBackup) -> StreamEnds:
    """The head, tail and size of a backup.

    Raises:
        FtlError: It cannot be read.
    """
    script = program(__package__, "backup_ends.sh")
    reading = read_command(session, folder, script, backup.file, str(ENDS))
    done = await session.machine.run(reading, timeout=LIST_SECONDS)
    try:
        head, tail = done.text.split("/")
        ends = StreamEnds(bytes.fromhex(head), bytes.fromhex(tail), backup.bytes)
    except ValueError:
        ends = StreamEnds()
    if done.exit_code != 0 or len(ends.head) != min(ENDS, backup.bytes) or len(ends.tail) != len(ends.head):
        raise FtlError(f"{backup.file} cannot be read on {session.name}", cause=done.error_text or None)
    return ends


async def fetch(
    session: Session, folder: BackupFolder, backup: StoredBackup, sink: BinaryIO, emit: Emit
) -> None:
    """Write a backup to a file here.

    Raises:
        FtlError: It cannot be read, or came in part.
    """
    process = await session.machine.start(read_command(session, folder, 'cat "/backups/$1"', backup.file))
    failure = f"{backup.file} cannot be fetched from {session.name}"
    tell = progress(backup.dependency, "restore", emit)
    size = 0
    try:
        async for data in read_chunks(process, failure):
            sink.write(data)
            size += len(data)
            tell(size)
        await process.wait()
        text = await read_errors(process)
    finally:
        await end(process)
    if size != backup.bytes:
        came = f"only {size_text(size)} of {size_text(backup.bytes)} arrived"
        raise FtlError(failure, cause=text or came)


async def _paths(session: Session, project: Project) -> tuple[str, ...]:
    """Folders that the project names, and those that its releases have named."""
    recorded = backup_folders_of(await read_records(session.engine, project.name))
    return (*(backup.path for backup in project.backups), *recorded)
