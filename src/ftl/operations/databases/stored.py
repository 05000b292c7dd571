"""Scheduled backups on the server: their list, and fetching one.

Their folder is root's. A short container of the backup's own image reads it, with the folders of the job's container
and none of its env.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from ftl.aio import gather
from ftl.common.figures import size as size_text
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.operations.databases.backup import CHUNK, end, progress, read_errors
from ftl.operations.databases.dumps import ENDS, Ends
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.values import Container
    from ftl.events import Emit
    from ftl.host.session import Session

LATEST = "latest"
LIST_SECONDS = 60.0

_PREFIX = "backup."
_READER = 'docker run --rm --network none --log-driver none --volumes-from "$1" --entrypoint sh "$2" -c "$3" sh "$4"'
_LIST = 'cd /backups && for file in "$1"-*; do [ -f "$file" ] && echo "$file $(wc -c <"$file")"; done; true'
_ENDS = f"""cd /backups && for end in head tail; do
    "$end" -c {ENDS} "$1" | od -An -v -tx1
    [ "$end" = tail ] || echo /
done"""
_NAME = re.compile(r"(?P<name>.+)-(?P<time>[0-9]{8}-[0-9]{6})\.(dump|sql|archive|rdb)")


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """A backup that the server has made.

    Attributes:
        time: RFC 3339.
    """

    dependency: str
    file: str
    time: str
    bytes: int


async def stored_backups(session: Session, project: str, name: str | None = None) -> tuple[StoredBackup, ...]:
    """List the scheduled backups of a project, or of one dependency: newest first.

    Raises:
        FtlError: The folder of one cannot be read.
    """
    jobs = await _jobs(session, project)
    lists = await gather(
        _list(session, container) for key, container in sorted(jobs.items()) if name in (None, key)
    )
    return tuple(backup for stored in lists for backup in stored)


async def find_backup(session: Session, project: str, name: str, file: str) -> tuple[Container, StoredBackup]:
    """Find a dependency's backup by name, or the `LATEST`, and a container with its folder.

    Raises:
        UsageError: There is no such backup.
        FtlError: The folder cannot be read.
    """
    container = (await _jobs(session, project)).get(name)
    stored = await _list(session, container) if container is not None else ()
    chosen = next((backup for backup in stored if file in (LATEST, backup.file)), None)
    if container is None or chosen is None:
        what = f"no backup of {name}" if file == LATEST else f"no backup {file} of {name}"
        hint = (
            "`ftl backup --list` lists them"
            if stored
            else "`backups` in ftl.yaml, then `ftl deploy`, makes some"
        )
        raise UsageError(f"there is {what} on {session.name}", hint=hint)
    return container, chosen


async def read_ends(session: Session, folder: Container, backup: StoredBackup) -> Ends:
    """The head, tail and size of a backup.

    Raises:
        FtlError: It cannot be read.
    """
    done = await session.machine.run(_reader(session, folder, _ENDS, backup.file), timeout=LIST_SECONDS)
    try:
        head, tail = done.stdout.decode("ascii").split("/")
        ends = Ends(bytes.fromhex(head), bytes.fromhex(tail), backup.bytes)
    except ValueError:
        ends = Ends()
    if done.exit_code != 0 or len(ends.head) != min(ENDS, backup.bytes) or len(ends.tail) != len(ends.head):
        cause = done.stderr.decode("utf-8", "replace").strip()
        raise FtlError(f"{backup.file} cannot be read on {session.name}", cause=cause or None)
    return ends


async def fetch(
    session: Session, folder: Container, backup: StoredBackup, sink: BinaryIO, emit: Emit
) -> None:
    """Write a backup to a file here.

    Raises:
        FtlError: It cannot be read, or came in part.
    """
    process = await session.machine.start(_reader(session, folder, 'cat "/backups/$1"', backup.file))
    assert process.stdout is not None
    tell = progress(backup.dependency, "restore", emit)
    size = 0
    try:
        while data := await process.stdout.read(CHUNK):
            sink.write(data)
            size += len(data)
            tell(size)
        await process.wait()
        text = await read_errors(process)
    finally:
        await end(process)
    if size != backup.bytes:
        came = f"{size_text(size)} of {size_text(backup.bytes)} came"
        raise FtlError(f"{backup.file} cannot be fetched from {session.name}", cause=text or came)


async def _jobs(session: Session, project: str) -> dict[str, Container]:
    """Dependency -> a container that makes its backups, also one whose deploy or stop took its name."""
    marks = {labels.PROJECT: project, labels.ROLE: labels.ROLE_JOB}
    listed = await session.engine.containers(labels=marks)
    backups = (container for container in listed if container.labels[labels.JOB].startswith(_PREFIX))
    by_age: Sequence[Container] = sorted(backups, key=lambda item: item.created)
    return {container.labels[labels.JOB].removeprefix(_PREFIX): container for container in by_age}


async def _list(session: Session, container: Container) -> tuple[StoredBackup, ...]:
    name = container.labels[labels.JOB].removeprefix(_PREFIX)
    done = await session.machine.run(_reader(session, container, _LIST, name), timeout=LIST_SECONDS)
    if done.exit_code != 0:
        cause = done.stderr.decode("utf-8", "replace").strip()
        raise FtlError(f"the backups of {name} cannot be listed", cause=cause or None)
    backups = []
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        file, _, number = line.rpartition(" ")
        match = _NAME.fullmatch(file)
        if match is not None and match["name"] == name and number.isdecimal():
            backups.append(StoredBackup(name, file, _rfc3339(match["time"]), int(number)))
    return tuple(sorted(backups, key=lambda item: item.time, reverse=True))


def _rfc3339(time: str) -> str:
    day, clock = time.split("-")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}Z"


def _reader(session: Session, container: Container, script: str, argument: str) -> list[str]:
    return docker_script(
        session.machine, _READER, "ftl-backups", container.id, container.image_id, script, argument
    )
