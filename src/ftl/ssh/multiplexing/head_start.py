"""Start of ssh while FTL itself is still loaded.

Loading the program and reading ftl.yaml take a quarter of a second, and a login half of one. The command line of ssh by
which the same command (its words up to `--`, its folder) connected the last time is therefore noted, with the files
that its project was read from. Where none of those has changed since, it is run at once, before anything else is
imported. It counts only if the configuration then leads to the very same command line; else it is ended, and the note
removed.

Imports little, for the same reason.
"""

from __future__ import annotations

import os
import time
from binascii import crc32
from contextlib import suppress

from ftl import __version__
from ftl.common.user_files import read_json, state_path, write_json
from ftl.ssh.multiplexing.early import RETIRED
from ftl.ssh.multiplexing.runtime import is_private

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FOLDER = "{folder}"
"""Stands for the connection's folder in a noted command line."""

_MOST = 8
"""Connections at most that are begun ahead: those of a cluster's servers."""

_OLD_SECONDS = 7 * 24 * 3600.0
"""Time for which a note stays after its command ran last."""

_FRESH_SECONDS = 5.0
"""Age up to which one that has ended counts: its connection stays for ten seconds, if not kept."""

_DEFAULT_SIGNALS = (13, 25)
"""SIGPIPE and SIGXFSZ, which Python ignores; `signal` takes 5 ms to import."""


class HeadStart:
    """An ssh that was started ahead.

    Attributes:
        folder: The folder with its control socket and log.
        shared: Whether that is the folder of a kept connection.
        pid: Its process.
        grouped: Whether that leads a process group, to be ended with what it started (`Match exec`). One that may ask
            has to be in the terminal's.
        output: Read end of the pipe with its output.
        log_start: Size of the log before it.
    """

    def __init__(
        self, words: Sequence[str], folder: str, *, shared: bool, lock: tuple[str, int] | None
    ) -> None:
        self.words = [*words]
        self.folder = folder
        self.shared = shared
        self.grouped = not _has_terminal()
        self._lock = lock
        self._status: int | None = None
        self._began = time.monotonic()
        command = [word.replace(_FOLDER, folder) for word in words]
        log = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.log_start = os.fstat(log).st_size
        self.output, output = os.pipe()
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ]
        try:
            self.pid = os.posix_spawnp(
                command[0],
                command,
                os.environ,
                file_actions=actions,
                setpgroup=0 if self.grouped else os.getpgrp(),
                setsigdef=_DEFAULT_SIGNALS,
            )
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(output)
            os.close(log)

    @property
    def status(self) -> int | None:
        """Its exit status, which only it asks the system for; None: it still runs."""
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if ended else None
        return self._status

    @property
    def stale(self) -> bool:
        """Whether its connection has ended as unused, or may at any moment."""
        if self.status is None:
            return False
        ended = self.status == 0 and not os.path.exists(f"{self.folder}/master")  # noqa: PTH110
        return ended or time.monotonic() - self._began > _FRESH_SECONDS

    def signal(self, number: int) -> None:
        """Send a signal to the process, or its group, unless it has ended."""
        if self.status is None:
            # macOS refuses it for a group that has just ended.
            with suppress(ProcessLookupError, PermissionError):
                (os.killpg if self.grouped else os.kill)(self.pid, number)

    def _ended_by(self, number: int) -> bool:
        """Send a signal, and wait for a second at most until the process has ended."""
        with suppress(ChildProcessError):
            self.signal(number)
            for _ in range(200):
                if self.status is not None:
                    return True
                time.sleep(0.005)
            return False
        return True

    def release(self) -> None:
        """Give up the lock by which a kept connection's folder stays until another of ours is in it."""
        if self._lock is not None:
            path, descriptor = self._lock
            self._lock = None
            with suppress(OSError):
                os.rmdir(path)  # noqa: PTH106 - pathlib takes 5 ms to import
            os.close(descriptor)

    def end(self) -> None:
        """End it, and its connection where that is not kept; bounded."""
        import shutil
        import signal
        from subprocess import DEVNULL, TimeoutExpired, run

        os.close(self.output)
        for number in (signal.SIGTERM, signal.SIGKILL):  # it may have to restore the terminal
            if self._ended_by(number):
                break
        self.release()
        if self.shared:
            return
        socket = f"{self.folder}/master"
        if os.path.exists(socket):  # noqa: PTH110
            with suppress(OSError, TimeoutExpired):
                exit_ = ["ssh", "-F", "/dev/null", "-S", socket, "-O", "exit", "--", "ftl"]
                run(exit_, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, timeout=2, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class _Ahead:
    """Connections of this process that were started ahead, and those that the next one is to start.

    Attributes:
        file: Path of this command's note; empty before `begin`.
        begun: Those that nobody has taken yet.
        starts: The command lines by which this command connected.
        files: Files that its project was read from, as they were then.
    """

    def __init__(self) -> None:
        self.file = ""
        self.begun: list[HeadStart] = []
        self.starts: list[dict[str, object]] = []
        self.files: dict[str, str] = {}


_ahead = _Ahead()


def begin(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Start the connections of the last run of the same command, if its files are unchanged."""
    try:
        before = words[: words.index("--")] if "--" in words else words
        told = (environ.get(name, "") for name in ("FTL_ENV", "FTL_SANDBOX", "SSH_AUTH_SOCK", "CI"))
        parts = (__version__, str(_has_terminal()), os.getcwd(), *told, *before)  # noqa: PTH109
        _ahead.file = state_path(f"ssh/{crc32(os.fsencode(chr(0).join(parts))):08x}.json")
        if not is_private(os.path.dirname(_ahead.file)):  # noqa: PTH120 -- it says what we run
            return
        noted = read_json(_ahead.file)
        files, starts = noted.get("files"), noted.get("starts")
        if not isinstance(files, dict) or not isinstance(starts, list) or files != _states(files):
            return
        import atexit

        atexit.register(end)
        for start in starts[:_MOST]:
            words = [word for word in start["words"] if isinstance(word, str)]
            _begin_one(words, str(start["folder"]), shared=start["shared"] is True)
    except (OSError, ValueError, KeyError, TypeError):  # a hint only
        return


def _begin_one(words: Sequence[str], folder: str, *, shared: bool) -> None:
    if not shared:
        folder = f"{os.path.dirname(folder)}/ftl-{os.urandom(6).hex()}"  # noqa: PTH120
        os.mkdir(folder, 0o700)  # noqa: PTH102
        try:
            _ahead.begun.append(HeadStart(words, folder, shared=False, lock=None))
        except BaseException:
            os.rmdir(folder)  # noqa: PTH106
            raise
        return
    lock = _claimed(folder)
    if lock is not None:
        _ahead.begun.append(HeadStart(words, folder, shared=True, lock=lock))


def _claimed(shared: str) -> tuple[str, int] | None:
    """Make the folder of a kept connection, locked as that of a command; None where the connection may stand."""
    import fcntl

    runtime = os.path.dirname(shared)  # noqa: PTH120
    if not is_private(runtime):
        return None
    exclusive = os.open(f"{runtime}/lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(exclusive, fcntl.LOCK_EX)
        if os.path.exists(f"{shared}/master") or os.path.exists(f"{shared}/{RETIRED}"):  # noqa: PTH110
            return None
        os.makedirs(shared, 0o700, exist_ok=True)  # noqa: PTH103
        path = f"{shared}/command-{os.urandom(4).hex()}"
        os.mkdir(path, 0o700)  # noqa: PTH102
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return path, descriptor
    finally:
        os.close(exclusive)


def take(command: Sequence[str], folder: str, *, shared: bool) -> HeadStart | None:
    """Take the ssh that was started ahead by the same command line.

    One that is not kept has another folder. Where there is none, those that may ask on the terminal are ended: two must
    not ask at once.
    """
    words = _without(command, folder)
    for each in _ahead.begun:
        if each.words == words and each.shared == shared and (not shared or each.folder == folder):
            _ahead.begun.remove(each)
            if each.stale:
                each.end()
                return None
            each.release()
            return each
    if not all(each.grouped for each in _ahead.begun):
        end()
    return None


def forget(folder: str) -> None:
    """Leave alone the ssh that was started ahead for a kept connection that stands by now."""
    for each in [each for each in _ahead.begun if each.shared and each.folder == folder]:
        _ahead.begun.remove(each)
        each.release()
        os.close(each.output)


def depends_on(paths: Iterable[str]) -> None:
    """Add files that the project of this command is about to be read from."""
    if _ahead.file:
        _ahead.files.update(_states(paths))


def note(command: Sequence[str], folder: str, *, shared: bool) -> None:
    """Note a command line that has connected, for the same command to start ahead."""
    if not _ahead.file or "%" in folder:  # ssh wants that doubled
        return
    words = _without(command, folder)
    if not shared:
        folder = f"{os.path.dirname(folder)}/ftl-"  # noqa: PTH120 -- the rest is another one each time
    start: dict[str, object] = {"words": words, "folder": folder, "shared": shared}
    if start not in _ahead.starts:
        _ahead.starts.append(start)
    from pathlib import Path

    file = Path(_ahead.file)
    # A stricter configuration of ssh (`StrictHostKeyChecking yes`) is no part of the words yet.
    files = {**_ahead.files, **_states((os.path.expanduser("~/.ssh/config"), "/etc/ssh/ssh_config"))}  # noqa: PTH111
    write_json(file, {"files": files, "starts": _ahead.starts})
    with suppress(OSError):
        now = file.stat().st_mtime
        for other in file.parent.iterdir():
            if now - other.stat().st_mtime > _OLD_SECONDS:
                other.unlink()


def end() -> None:
    """End the connections that nobody has taken, and remove the note that led to them."""
    if _ahead.begun:
        with suppress(OSError):
            os.unlink(_ahead.file)  # noqa: PTH108
    while _ahead.begun:
        _ahead.begun.pop().end()


def _has_terminal() -> bool:
    return os.isatty(0) and os.isatty(2)


def _without(command: Sequence[str], folder: str) -> list[str]:
    return [word.replace(folder, _FOLDER) for word in command]


def _states(paths: Iterable[str]) -> dict[str, str]:
    """Time, size and number of each file; empty for one that is not there."""
    states = {}
    for path in paths:
        try:
            state = os.stat(path)  # noqa: PTH116
            states[path] = f"{state.st_mtime_ns} {state.st_size} {state.st_ino}"
        except OSError:
            states[path] = ""
    return states
