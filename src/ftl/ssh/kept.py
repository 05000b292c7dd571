"""Kept connections: when a connection may stay after a command, its folder, and its early end.

The folders lie in a private folder of the user. Their names begin with a hash of all that makes the connection what it
is, so that another configuration never finds it; a number follows, since one that is not to be used any more keeps its
folder while commands still use it. The control socket and the log of its master serve every command. Each command has
a folder of its own in it, with the sockets of its forwards, and locks it: so the others know which are at work, and
which have gone without tidying up.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.json_fields import as_object, as_str
from ftl.ssh.control import Control, ControlFailed, is_listening
from ftl.ssh.target import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.ssh.target import Resolved, Target

# A unix socket's path ends at 104 bytes on macOS. Below this folder the longest ones are the control socket while ssh
# binds it ("/0123456789ab.1/master" and 17 bytes that ssh appends then) and "/0123456789ab.1/command-abcdefgh/dial123".
LONGEST_FOLDER = 60

OWN_SECONDS = 10
"""Seconds that the master of a connection that is not kept stays after us, should its reaper be gone too."""

_COMMAND = "command-"
_RECORD = "server.json"
_RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Keep:
    """How long a connection is to stay after its last command.

    Attributes:
        seconds: 0: it ends with the command.
        project: The project that uses it; one that moves to another server ends the connection to the former.
    """

    seconds: float = 0.0
    project: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of a connection.

    Attributes:
        folder: This command's own: removed at its end.
        socket: The master's control socket.
        log: What ssh says.
        persist: Seconds that the master stays after its last client.
        shared: Whether other commands use the connection, too, and it stays for those to come.
        lock: The open file that marks `folder` as in use; None where nobody looks.
    """

    folder: Path
    socket: Path
    log: Path
    persist: int
    shared: bool
    lock: int | None = None

    def retire(self) -> None:
        """Have no later command use the connection; those that do go on."""
        with suppress(OSError):
            (self.socket.parent / _RETIRED).touch()

    def remove(self) -> bool:
        """Remove the command's folder, and the connection's where nothing uses it; to be called once.

        Returns:
            Whether the connection is to end now: it was retired, and no other command uses it.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.lock is None:
            return False
        os.close(self.lock)
        shared = self.socket.parent
        with suppress(OSError), _exclusive(shared.parent):
            return not _in_use(shared) and _is_retired(shared)
        return False


def seconds_to_keep(keep: Keep, resolved: Resolved, environ: Mapping[str, str]) -> int:
    """Whole seconds that a connection may stay after its last command; 0: it ends with the command.

    It is not kept in CI, where nothing is to outlive a job, nor where the user's own ssh configuration shares
    connections: whoever wrote that has decided.
    """
    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return 0 if in_ci or resolved.shares else math.ceil(keep.seconds)


def connection_name(target: Target, resolved: Resolved, seconds: int, environ: Mapping[str, str]) -> str:
    """A name that differs where anything differs that makes the connection: address, options, ssh's configuration.

    The agent is part of it: on a machine with one account for several people it stands for the person.
    """
    parts = [
        target.address,
        *options(target),
        resolved.configuration,
        str(seconds),
        environ.get("SSH_AUTH_SOCK", ""),
    ]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]


def runtime_folder(environ: Mapping[str, str]) -> Path | None:
    """The user's folder for kept connections, made if need be; None where no place is private and short enough.

    Where XDG_RUNTIME_DIR is not set it lies with the temporary files, where anybody may make folders: it has to be ours
    alone.
    """
    for path in _candidates(environ):
        with suppress(OSError):
            path.mkdir(mode=0o700, exist_ok=True)
            if _is_private(path):
                return path
    return None


def _candidates(environ: Mapping[str, str]) -> list[Path]:
    runtime = environ.get("XDG_RUNTIME_DIR")
    usual = dict.fromkeys((tempfile.gettempdir(), "/tmp"))  # noqa: S108
    paths = [
        *([Path(runtime, "ftl")] if runtime else []),
        *(Path(each, f"ftl-{os.getuid()}") for each in usual),
    ]
    return [path for path in paths if len(str(path)) <= LONGEST_FOLDER]


def _is_private(path: Path) -> bool:
    """Whether it is a folder of the user's own, and closed to others."""
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def own_place() -> Place:
    """A place for a connection that ends with us."""
    usual = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="ftl-", dir=usual if len(usual) <= LONGEST_FOLDER else "/tmp"))  # noqa: S108
    return Place(folder, folder / "master", folder / "log", OWN_SECONDS, shared=False)


def kept_place(target: Target, resolved: Resolved, keep: Keep, environ: Mapping[str, str]) -> Place | None:
    """A place in the folder of a kept connection, which may be open already; None where it is not to be kept."""
    seconds = seconds_to_keep(keep, resolved, environ)
    runtime = runtime_folder(environ) if seconds else None
    if runtime is None:
        return None
    try:
        with _exclusive(runtime):
            for folder in runtime.iterdir():
                _sweep(folder)
            shared = _unretired(runtime, connection_name(target, resolved, seconds, environ))
            shared.mkdir(mode=0o700, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=_COMMAND, dir=shared))
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            socket = shared / "master"
            if not is_listening(socket):
                socket.unlink(missing_ok=True)
                record = {"hostname": resolved.hostname, "port": resolved.port, "project": keep.project}
                (shared / _RECORD).write_text(json.dumps(record))
    except OSError:
        return None
    return Place(folder, socket, shared / "log", seconds, shared=True, lock=lock)


def _unretired(runtime: Path, name: str) -> Path:
    """The folder of a connection that may be used, or a new one."""
    return next(path for number in count(1) if not _is_retired(path := runtime / f"{name}.{number}"))


async def retire_former(project: str, place: Place | None, environ: Mapping[str, str]) -> None:
    """End what is kept of a project's connections to other servers, or to the same one by other settings."""
    current = place.socket.parent if place is not None else None
    for folder, record in _records(environ):
        if folder != current and project and as_str(record.get("project")) == project:
            await _retire(folder)


async def retire_server(resolved: Resolved, environ: Mapping[str, str]) -> None:
    """End all kept connections to a server: what they are logged in to has changed.

    Commands that use one at this moment keep it to their end.
    """
    there = (resolved.hostname, resolved.port)
    for folder, record in _records(environ):
        if (record.get("hostname"), record.get("port")) == there:
            await _retire(folder)


def _records(environ: Mapping[str, str]) -> list[tuple[Path, Mapping[str, object]]]:
    """The connections that there are, with where they lead."""
    found = []
    for runtime in _candidates(environ):
        with suppress(OSError):
            if _is_private(runtime):
                found += [record for path in runtime.glob(f"*/{_RECORD}") for record in _record(path)]
    return found


def _record(path: Path) -> list[tuple[Path, Mapping[str, object]]]:
    with suppress(OSError, ValueError):
        return [(path.parent, as_object(json.loads(path.read_text())))]
    return []


async def _retire(shared: Path) -> None:
    """Have no later command use a connection, and end it where none does now."""
    with suppress(OSError, ControlFailed):
        with _exclusive(shared.parent):
            (shared / _RETIRED).touch()
            in_use = _in_use(shared)
        if not in_use:
            control = await Control.open(shared / "master")
            await control.terminate()
            control.close()


@contextmanager
def _exclusive(runtime: Path) -> Iterator[None]:
    """Nobody else makes or removes a connection's folder meanwhile: all that is done so takes milliseconds."""
    lock = os.open(runtime / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _sweep(shared: Path) -> None:
    """Remove the folders of commands that have gone, and a connection's folder that nothing uses any more.

    Nobody asks a master that may be used whether it lives: that would count as a use, and keep it.
    """
    if not shared.is_dir():
        return
    in_use = _in_use(shared)
    for folder in shared.glob(f"{_COMMAND}*"):
        if folder not in in_use:
            shutil.rmtree(folder, ignore_errors=True)
    socket = shared / "master"
    if not in_use and not (is_listening(socket) if _is_retired(shared) else socket.exists()):
        shutil.rmtree(shared, ignore_errors=True)


def _is_retired(shared: Path) -> bool:
    return (shared / _RETIRED).exists()


def _in_use(shared: Path) -> list[Path]:
    """The folders of commands that are at work."""
    return [folder for folder in shared.glob(f"{_COMMAND}*") if _is_locked(folder)]


def _is_locked(folder: Path) -> bool:
    try:
        found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(found)
