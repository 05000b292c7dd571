"""Kept connections: the conditions for keeping one, its files, and its early end.

Each has a folder in a private folder of the user. Its name starts with a hash of all that identifies the connection, so
that another configuration never finds it; a number follows, since a connection that is retired keeps its folder while
commands still use it. The control socket and the log of its master serve every command. Each command has a folder
inside, with the sockets of its forwards, and locks it: so other processes know which commands run, and which ended
without cleaning up.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_str, parse_json
from ftl.dataclass import dataclass
from ftl.ssh.multiplexing.control import Control, ControlFailed, is_listening
from ftl.ssh.multiplexing.early import NOTES, RETIRED, USUAL
from ftl.ssh.multiplexing.runtime import LONGEST_FOLDER, candidates, is_private
from ftl.ssh.target import options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ftl.ssh.target import Resolved, Target

OWN_SECONDS = 10
"""Seconds for which a master that is not kept survives us, should its reaper be gone, too."""

_NOTES_SECONDS = 7 * 24 * 3600.0
"""Time for which a command's noted requests stay after it ran last."""

_COMMAND = "command-"
_RECORD = "server.json"


@dataclass(frozen=True, slots=True)
class Persistence:
    """Time for which a connection stays after its last command; 0: it ends with the command.

    When `project`, which uses it, moves to another server, the former connection ends.
    """

    seconds: float = 0.0
    project: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionFiles:
    """Files of a connection.

    Attributes:
        folder: The folder of this command: removed at its end.
        persist: Seconds for which the master stays after its last client.
        shared: Whether the connection is kept: other commands use it, too.
        lock: The open and locked `folder`; None where the connection is not shared.
    """

    folder: Path
    socket: Path
    log: Path
    persist: int
    shared: bool
    lock: int | None = None

    @property
    def usual(self) -> Path:
        """The forward to the engine's usual socket; that of a shared connection stays."""
        return (self.socket.parent if self.shared else self.folder) / USUAL

    def retire(self) -> None:
        """Keep later commands from using the connection. Those that use it keep it."""
        with suppress(OSError):
            (self.socket.parent / RETIRED).touch()

    def remove(self) -> bool:
        """Remove the command's folder, once; whether the connection has to end.

        It has to if it was retired, and no other command uses it.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.lock is None:
            return False
        os.close(self.lock)
        shared = self.socket.parent
        with suppress(OSError), _exclusive(shared.parent):
            return not _commands(shared) and _is_retired(shared)
        return False


def seconds_to_keep(keep: Persistence, resolved: Resolved, environ: Mapping[str, str]) -> int:
    """Seconds for which a connection may stay after its last command; 0: it is not kept.

    It is not kept in CI, where nothing may outlive a job, nor where the user's ssh configuration shares connections
    itself: then that says for how long.
    """
    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return 0 if in_ci or resolved.shares else math.ceil(keep.seconds)


def connection_name(target: Target, resolved: Resolved, seconds: int, environ: Mapping[str, str]) -> str:
    """Hash of all that identifies a connection: address, options, ssh's configuration.

    The agent is part of it: where several people share an account, it stands for the person.
    """
    agent = environ.get("SSH_AUTH_SOCK", "")
    parts = [target.address, *options(target), resolved.configuration, str(seconds), agent]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]


def runtime_folder(environ: Mapping[str, str]) -> Path | None:
    """Make the user's folder for kept connections; None where no suitable one is possible.

    It is private, and its path short enough for sockets. Without XDG_RUNTIME_DIR it is among the temporary files, where
    anybody may make a folder of that name: one that others own or may enter is not used.
    """
    return first_private(map(Path, candidates(environ)))


def first_private(paths: Iterable[Path]) -> Path | None:
    """Make the first of some folders that can be private; None where none can."""
    for path in paths:
        with suppress(OSError):
            path.mkdir(mode=0o700, exist_ok=True)
            if is_private(path):
                return path
    return None


def own_files() -> ConnectionFiles:
    """Make the files of a connection that ends with us."""
    usual = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="ftl-", dir=usual if len(usual) <= LONGEST_FOLDER else "/tmp"))  # noqa: S108
    return ConnectionFiles(folder, folder / "master", folder / "log", OWN_SECONDS, shared=False)


def kept_files(
    target: Target, resolved: Resolved, keep: Persistence, environ: Mapping[str, str]
) -> ConnectionFiles | None:
    """Make this command's files of a kept connection, which may be open; None: it is not kept."""
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
            socket = shared / "master"
            found = socket.exists()
            if not is_listening(socket):
                if found:  # not the one that a master makes just now
                    socket.unlink(missing_ok=True)
                (shared / USUAL).unlink(missing_ok=True)
                record = {"hostname": resolved.hostname, "port": resolved.port, "project": keep.project}
                (shared / _RECORD).write_text(json.dumps(record))
            folder = Path(tempfile.mkdtemp(prefix=_COMMAND, dir=shared))
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        return None
    return ConnectionFiles(folder, socket, shared / "log", seconds, shared=True, lock=lock)


def _unretired(runtime: Path, name: str) -> Path:
    """The folder of the connection that is not retired; it may not exist yet."""
    return next(path for number in count(1) if not _is_retired(path := runtime / f"{name}.{number}"))


async def retire_former(project: str, files: ConnectionFiles | None, environ: Mapping[str, str]) -> None:
    """End a project's kept connections to other servers, or with other settings."""
    current = files.socket.parent if files is not None else None
    for folder, record in _records(environ):
        if folder != current and project and as_str(record.get("project")) == project:
            await _retire(folder)


async def retire_server(resolved: Resolved, environ: Mapping[str, str]) -> None:
    """End all kept connections to a server whose logins have changed.

    A command that uses one now keeps it to its end.
    """
    server = (resolved.hostname, resolved.port)
    for folder, record in _records(environ):
        if (record.get("hostname"), record.get("port")) == server:
            await _retire(folder)


def _records(environ: Mapping[str, str]) -> list[tuple[Path, Mapping[str, object]]]:
    """The folders of all kept connections, with their records: server and project."""
    records = []
    for runtime in map(Path, candidates(environ)):
        with suppress(OSError):
            if is_private(runtime):
                records += [record for path in runtime.glob(f"*/{_RECORD}") for record in _record(path)]
    return records


def _record(path: Path) -> list[tuple[Path, Mapping[str, object]]]:
    with suppress(OSError, ValueError):
        return [(path.parent, as_object(parse_json(path.read_text())))]
    return []


async def _retire(shared: Path) -> None:
    """Keep later commands from using a connection, and end it where none uses it now."""
    with suppress(OSError, ControlFailed):
        with _exclusive(shared.parent):
            (shared / RETIRED).touch()
            running = _commands(shared)
        if not running:
            control = await Control.open(shared / "master")
            await control.terminate()
            control.close()


@contextmanager
def _exclusive(runtime: Path) -> Iterator[None]:
    """Lock out other processes that make or remove folders of connections; for milliseconds only."""
    lock = os.open(runtime / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _sweep(shared: Path) -> None:
    """Remove folders of commands that ended, and the connection's folder if it ended, too.

    A master that may be used is not asked whether it runs: that would count as a use, and keep it longer.
    """
    if not shared.is_dir():
        if shared.suffix == NOTES and time.time() - shared.stat().st_mtime > _NOTES_SECONDS:
            shared.unlink(missing_ok=True)
        return
    running = _commands(shared)
    for folder in shared.glob(f"{_COMMAND}*"):
        if folder not in running:
            shutil.rmtree(folder, ignore_errors=True)
    socket = shared / "master"
    if not running and not (is_listening(socket) if _is_retired(shared) else socket.exists()):
        shutil.rmtree(shared, ignore_errors=True)


def _is_retired(shared: Path) -> bool:
    return (shared / RETIRED).exists()


def _commands(shared: Path) -> list[Path]:
    """The folders of commands that run."""
    return [folder for folder in shared.glob(f"{_COMMAND}*") if _is_locked(folder)]


def _is_locked(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
