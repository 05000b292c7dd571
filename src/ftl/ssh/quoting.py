"""Quoting for the login shell, to which sshd passes a command as one string."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import UsageError
from ftl.ssh.framing import framed

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def framed_line(argv: Sequence[str], mark: str) -> str:
    """The command line of a command whose outputs begin after a mark: see `ftl.ssh.framing`."""
    command_line(argv)  # refuse what is no command
    # `exec`, which all login shells know: some (dash) would stay between and lead the process group.
    return "exec " + command_line(framed(argv, mark))


def kill(pid: str) -> str:
    """The command line that ends such a command and all that it started."""
    return command_line(["sh", "-c", _END, "sh", pid])
