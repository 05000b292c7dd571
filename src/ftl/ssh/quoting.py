"""The one place where a shell is unavoidable: sshd hands a command to the login shell as one string."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Says its process ID before it becomes the command: without a terminal nothing else ends a command there that is
# given up here.
_TRACKED = 'echo "ftl-pid $$" >&2; exec "$@"'
_PID = re.compile(rb"^ftl-pid (\d+)\n", re.MULTILINE)

# sshd gives every command a session and process group of its own, so all that it started is reached.
_END = 'kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1"'


def command_line(argv: Sequence[str]) -> str:
    """The command line that a POSIX shell splits into exactly these arguments.

    Every word is quoted, also those that need it not by `shlex`'s rules: a bare first word such as `if` or `A=b`
    would be the shell's own.

    Raises:
        UsageError: An argument holds a NUL byte, which no argument can; or there is none at all.
    """
    if not argv:
        raise UsageError("there is no command to run")
    if any("\0" in word for word in argv):
        raise UsageError("an argument of the command holds a NUL byte")
    return " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in argv)


def tracked(argv: Sequence[str]) -> str:
    """As `command_line`, for a command whose stderr begins with its process ID: see `untracked`."""
    command_line(argv)  # refuse what is no command
    # `exec`, which all login shells know: some (dash) would stay between and lead the process group.
    return "exec " + command_line(["sh", "-c", _TRACKED, "sh", *argv])


def untracked(stderr: bytes) -> tuple[str | None, bytes]:
    """The process ID in a tracked command's stderr, None while it has not come, and the command's own stderr."""
    found = _PID.search(stderr)
    if found is None:
        return None, stderr
    return found[1].decode(), stderr[: found.start()] + stderr[found.end() :]


def end(pid: str) -> str:
    """The command line that ends a tracked command and what it started."""
    return command_line(["sh", "-c", _END, "sh", pid])
