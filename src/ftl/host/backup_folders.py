"""Folders of scheduled backups on a server (backup.sh): places, content, removal.

They are root's, and stay when the project is removed. A short container of an image that is there anyway reads one, as
root and without any env: it needs nothing of the project, nor the job that made them.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.programs import program
from ftl.config.models.backup import DEFAULT_FOLDER, JOB_PREFIX
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.engine.helper import helper_container
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Mount
from ftl.errors import FtlError
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.errors import EngineError
    from ftl.host.session import Session

TARGET = "/backups"
"""The folder of a project in the containers that write and read it."""

LIST_SECONDS = 60.0
REMOVE_SECONDS = 300.0

_NAME = re.compile(r"(?P<name>.+)-(?P<time>[0-9]{8}-[0-9]{6})\.(dump|sql|archive|rdb)")
_MISSING = "bind source path does not exist"
"""Error of the engine for a folder that does not exist (20.10 to 29)."""


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """A folder of scheduled backups; the last part of its path is the project's name.

    `image` is the ID of one there that has a shell.
    """

    path: str
    image: str

    @property
    def mount(self) -> str:
        """The value of docker's --mount that has it at `TARGET`, and does not create it."""
        source = self.path.replace('"', '""')
        return f'type=bind,"source={source}",target={TARGET},readonly'


def backup_folders(
    containers: Sequence[Container], project: str, paths: Iterable[str] = ()
) -> tuple[BackupFolder, ...]:
    """The folders that a project's backups may be in. Pure.

    Those of its jobs, those of `paths` (what `backups[].path` in ftl.yaml says), and the default one; the `containers`
    are all of the server.
    """
    own = [one for one in containers if one.project == project]
    jobs = [one for one in own if one.labels.get(labels.JOB, "").startswith(JOB_PREFIX)]
    dependencies = [one for one in own if one.role == labels.ROLE_DEPENDENCY]
    shared = {one.role: one for one in containers}
    proxy, store = (
        [shared[role]] if role in shared else [] for role in (labels.ROLE_PROXY, labels.ROLE_STATE)
    )
    # The images of the proxy and the jobs have a shell; those of dependencies may have none, nor that of some service,
    # which the store of the release records has.
    readers = [one.image_id for one in (*proxy, *jobs, *dependencies, *store)]
    if not readers:
        return ()
    found = {mount.source: one.image_id for one in jobs for mount in one.mounts if mount.target == TARGET}
    for path in (*paths, DEFAULT_FOLDER):
        found.setdefault(f"{path.rstrip('/')}/{project}", readers[0])
    return tuple(BackupFolder(path, image) for path, image in found.items())


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """A backup that the server has made.

    Attributes:
        time: RFC 3339.
        database: Which one of the dependency's databases it is of; None: its own.
        smaller_than: The last backup before it that was not much smaller either, if this one has less than half of its
            bytes; that one stays, whatever `keep` says.
    """

    dependency: str
    file: str
    time: str
    bytes: int
    path: str = ""
    smaller_than: str | None = None
    database: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder of backups, with those in it, newest first."""

    folder: BackupFolder
    backups: tuple[StoredBackup, ...]


async def stored_folders(
    session: Session, project: str, paths: Iterable[str] = ()
) -> tuple[StoredFolder, ...]:
    """List the folders of a project that have scheduled backups.

    `paths` is as for `backup_folders`.

    Raises:
        FtlError: One cannot be read.
    """
    folders = backup_folders(await session.engine.containers(), project, paths)
    lists = await gather(_list(session, folder) for folder in folders)
    return tuple(
        StoredFolder(folder, backups) for folder, backups in zip(folders, lists, strict=True) if backups
    )


def is_missing(error: EngineError) -> bool:
    """Whether the engine refuses a container since a folder that it mounts does not exist."""
    return _MISSING in f"{error.message} {error.cause}"


async def create_folder(engine: Engine, project: str, job: ContainerSpec) -> None:
    """Create the folder of a job's backups.

    The engine does so at the start of a container that mounts it and does not need it.
    """
    spec = ContainerSpec(
        image=job.image,
        labels={labels.PROJECT: project, labels.ROLE: labels.ROLE_TRANSFER, labels.SERVICE: "backups"},
        entrypoint=("sh", "-c"),
        command=(":",),
        mounts=job.mounts,
        restart="no",
    )
    async with helper_container(engine, "ftl-backups", spec) as container:
        await engine.start(container)


async def remove_backups(engine: Engine, project: str, folder: BackupFolder) -> None:
    """Remove the backups in a folder; and it, if nothing else is in it.

    Raises:
        FtlError: One cannot be removed.
    """
    path = PurePosixPath(folder.path)
    spec = ContainerSpec(
        image=folder.image,
        labels={labels.PROJECT: project, labels.ROLE: labels.ROLE_TRANSFER, labels.SERVICE: "backups"},
        entrypoint=("sh", "-c"),
        command=(program(__package__, "scripts/remove_backups.sh"), "sh", path.name),
        mounts=(Mount(str(path.parent), TARGET),),
        restart="no",
        settings={"User": "0"},
    )
    message = f"the backups in {folder.path} cannot be removed"
    try:
        async with (
            helper_container(engine, "ftl-backups", spec) as container,
            asyncio.timeout(REMOVE_SECONDS),
        ):
            await engine.start(container)
            if status := await engine.wait(container):
                lines = [line.text async for line in engine.logs(container, tail=5)]
                raise FtlError(message, cause="\n".join(lines) or f"it ended with status {status}")
    except TimeoutError:
        raise FtlError(message, cause=f"it took longer than {REMOVE_SECONDS:g} s") from None


def backup_command(dependency: str, keep: int, without: Iterable[str] = ()) -> tuple[str, ...]:
    """Arguments of `sh -c` that make a scheduled backup in the container of its job.

    `keep` is the number of backups that stay; `without` are databases that are left out.
    """
    dump = program(__package__, "scripts/database_tools.sh", "scripts/dump.sh")
    return (program(__package__, "scripts/backup.sh"), "ftl-backup", dependency, str(keep), dump, *without)


def is_much_smaller(size: int, earlier: int) -> bool:
    """Whether a backup has so few bytes that data may be missing, as backup.sh says."""
    return size * 2 < earlier


def compare_sizes(backups: Iterable[StoredBackup]) -> tuple[StoredBackup, ...]:
    """Backups of one folder, newest first, compared as backup.sh compares them."""
    good: dict[tuple[str, str | None, str], StoredBackup] = {}
    compared = []
    for backup in reversed(newest_first(backups)):
        kind = backup.dependency, backup.database, backup.file.rpartition(".")[2]
        last = good.get(kind)
        if last is not None and is_much_smaller(backup.bytes, last.bytes):
            compared.append(replace(backup, smaller_than=last.file))
        else:
            good[kind] = backup
            compared.append(backup)
    return tuple(reversed(compared))


def newest_first(backups: Iterable[StoredBackup]) -> list[StoredBackup]:
    """Backups of any folders, the newest first."""
    return sorted(backups, key=lambda one: one.time, reverse=True)


def read_command(session: Session, folder: BackupFolder, script: str, *arguments: str) -> list[str]:
    """Command line that runs a script in a container with a folder of backups, read only."""
    reader = program(__package__, "scripts/read_backups.sh")
    return docker_script(
        session.machine, reader, "ftl-backups", folder.mount, folder.image, script, *arguments
    )


async def _list(session: Session, folder: BackupFolder) -> tuple[StoredBackup, ...]:
    listing = read_command(session, folder, program(__package__, "scripts/list_backups.sh"))
    done = await session.machine.run(listing, timeout=LIST_SECONDS)
    if done.exit_code != 0 and _MISSING.encode() in done.stderr:
        return ()
    backups = []
    for line in done.require(f"the backups in {folder.path} cannot be listed").lines:
        file, _, number = line.rpartition(" ")
        match = _NAME.fullmatch(file)
        if match is not None and number.isdecimal():
            path = f"{folder.path}/{file}"
            dependency, _, database = match["name"].partition(".")  # no dependency's name has a dot
            time, bytes_ = _rfc3339(match["time"]), int(number)
            backups.append(StoredBackup(dependency, file, time, bytes_, path, database=database or None))
    return compare_sizes(backups)


def _rfc3339(time: str) -> str:
    day, clock = time.split("-")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}Z"
