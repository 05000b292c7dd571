"""Files of backups on this machine: their names, and how one is written whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import os
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ftl.common.files import sync_folder
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.operations.databases.dumps import DumpKind

_STALE_SECONDS = 5.0


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a backup as `FILE.partial`, empty and locked, which gets its name once it is whole.

    Raises:
        FtlError: Another backup writes the file, or it cannot be written. There is no new file then.
    """
    try:
        with _partial(path) as (partial, sink):
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
            partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise FtlError(f"{path} cannot be written", cause=error.strerror or str(error)) from error


@contextmanager
def _partial(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
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
                f"another backup is writing {path}",
                hint="give each backup a separate file or folder",
            )
        try:
            sink.truncate()
            yield partial, sink
        finally:
            # After a rename the name may be another backup's.
            if partial.exists() and os.path.samestat(os.fstat(descriptor), partial.stat()):
                partial.unlink()


def remove_stale(folder: Path, name: str) -> None:
    """Remove unfinished backups that a kill of FTL left in a folder, by the time in their names.

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


def backup_path(file: str | None, name: str) -> Path:
    """A backup's file: `name` where none is given, or in the given folder."""
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
        raise FtlError(f"{folder} cannot be created", cause=error.strerror or str(error)) from error
    return folder


def default_name(name: str, kind: DumpKind) -> str:
    """Name of a backup's file: the dependency and the time."""
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}{kind.suffix}"


_NAMED = re.compile(r"(?P<name>.+)-[0-9]{8}-[0-9]{6}(?P<suffix>[.][a-z]+)")


def earlier_backup(path: Path) -> Path | None:
    """The last backup of the same name before a file; None: it is the first, or has no time."""
    named = _NAMED.fullmatch(path.name)
    if named is None:
        return None
    same = (
        other.name
        for other in path.parent.glob(f"{glob.escape(named['name'])}-*{named['suffix']}")
        if (match := _NAMED.fullmatch(other.name)) is not None and match["name"] == named["name"]
    )
    earlier = max((name for name in same if name < path.name), default=None)
    return None if earlier is None else path.with_name(earlier)
