"""Quoting for the login shell, to which sshd passes a command as one string."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Prints its process ID before it becomes the command: without a terminal nothing else can end a command on the server
# that is given up here.
_WITH_PID = 'echo "ftl-pid $$" >&2; exec "$@"'
_PID = re.compile(rb"^ftl-pid (\d+)\n", re.MULTILINE)

# sshd gives every command a session and process group of its own, so all that it started is reached.
_END = 'kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1"'


def command_line(argv: Sequence[str]) -> str:
    """The command line that a POSIX shell splits into exactly these arguments.

    Every word is quoted, even where `shlex` would not: a bare first word such as `if` or `A=b` would be the shell's
    own.

    Raises:
        UsageError: An argument contains a NUL byte, or there is no argument at all.
    """
    if not argv:
        raise UsageError("there is no command to run")
    if any("\0" in word for word in argv):
        raise UsageError("an argument of the command contains a NUL byte")
    return " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in argv)


def with_pid(argv: Sequence[str]) -> str:
    """The command line of a command whose stderr begins with its process ID: see `split_pid`."""
    command_line(argv)  # refuse what is no command
    # `exec`, which all login shells know: some (dash) would stay between and lead the process group.
    return "exec " + command_line(["sh", "-c", _WITH_PID, "sh", *argv])


def split_pid(stderr: bytes) -> tuple[str | None, bytes]:
    """Split such a command's stderr into its process ID (None: not yet printed) and the rest."""
    found = _PID.search(stderr)
    if found is None:
        return None, stderr
    return found[1].decode(), stderr[: found.start()] + stderr[found.end() :]


def kill(pid: str) -> str:
    """The command line that ends such a command and all that it started."""
    return command_line(["sh", "-c", _END, "sh", pid])
