"""Edit a confidential text in the user's editor; its file is removed in every case."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.private_folder import private_folder
from ftl.errors import FtlError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import FrameType

_DEFAULT = "vi"
_TERM_SECONDS = 2.0

_GUARD = 'cat >/dev/null; exec rm -rf -- "$1"'
"""Removes a folder as soon as its stdin ends: when the process at the other end of the pipe is gone (SIGKILL)."""


class Editor:
    """An editor on a file of mode 0600, in a folder of mode 0700."""

    def __init__(self, path: Path, command: list[str]) -> None:
        self._path = path
        self._command = command

    def edit(self, text: str) -> str:
        """Edit a text, and return the saved one.

        Raises:
            FtlError: The editor cannot be started or failed, or what it saved cannot be read.
            Interrupted: SIGTERM or SIGHUP, after the editor was ended.
        """
        self._path.unlink(missing_ok=True)
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        name = self._command[0]
        try:
            status = _run([*self._command, str(self._path)])
        except OSError as error:
            message = f"the editor `{name}` cannot be started: {error.strerror}"
            raise FtlError(message, hint="set $VISUAL or $EDITOR to another editor") from None
        if status != 0:
            raise FtlError(f"the editor `{name}` ended with status {status}: nothing was changed")
        try:
            return read_small_text(self._path)
        except OSError as error:
            raise FtlError(f"the edited file cannot be read: {error.strerror}") from None


@contextmanager
def open_editor(name: str, environment: Mapping[str, str]) -> Iterator[Editor]:
    """Make the private folder for the editor of $VISUAL or $EDITOR.

    The ending of the file's name tells it the format.
    """
    command = shlex.split(environment.get("VISUAL") or environment.get("EDITOR") or _DEFAULT)
    with private_folder("ftl-edit-") as folder, _removed_with_us(folder):
        yield Editor(folder / name, command or [_DEFAULT])


@contextmanager
def _removed_with_us(folder: Path) -> Iterator[None]:
    """Have a process in another session remove the folder if this process is killed."""
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert guard.stdin is not None
    try:
        yield
    finally:
        guard.stdin.close()
        guard.wait()


def _run(command: list[str]) -> int:
    """Run the editor on the terminal. Ctrl-C is the editor's; SIGTERM and SIGHUP end both."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(f"stopped by {signal.Signals(number).name}: nothing was changed")

    # A handler that does nothing, and not SIG_IGN, which the editor would inherit.
    handlers = {signal.SIGINT: lambda *_: None, signal.SIGTERM: stop, signal.SIGHUP: stop}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    process = None
    try:
        process = subprocess.Popen(command)
        return process.wait()
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_TERM_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
