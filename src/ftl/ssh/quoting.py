"""The one place where a shell is unavoidable: sshd hands a command to the login shell as one string."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


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
