"""Quoting for the login shell, to which sshd passes a command as one string."""

from __future__ import annotations

import zlib
from binascii import b2a_base64
from typing import TYPE_CHECKING

from ftl.common.programs import shell
from ftl.errors import UsageError
from ftl.ssh.framing import preamble

if TYPE_CHECKING:
    from collections.abc import Sequence

# sshd gives every command a session and process group of its own, so all that it started is reached.
_END = 'kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1"'


# Below this, starting two programs there costs more than the bytes that are saved.
_WORTH_COMPRESSING = 1000

# zlib's `wbits` for the format of gzip(1).
_GZIP = 31

# `%` is for printf, the others are for login shells.
_SPECIAL = frozenset("\\'!\n\r%")


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


def framed_line(argv: Sequence[str], boundary: str) -> str:
    """The command line of a command whose outputs begin after a boundary: see `ftl.ssh.framing`."""
    return line(f"{preamble(boundary)}; exec {command_line(argv)}")


def bounded_line(argv: Sequence[str], boundary: str) -> str:
    """The command line of a command whose stdout alone begins after a boundary."""
    return line(f'printf "\\n%s\\n" {boundary}; exec {command_line(argv)}')


def plain_line(argv: Sequence[str]) -> str:
    """The command line of a command."""
    return line(f"exec {command_line(argv)}")


def line(script: str) -> str:
    """The command line that has sh evaluate a script.

    For any login shell. csh and tcsh read `!` and newlines inside single quotes, fish reads backslashes there; so the
    login shell gets a text without any of them, which `printf` turns into the command that sh evaluates. `exec`, which
    all of them know, as some (dash) would stay between and lead the process group; `$$` stays the same over it.
    A long script, which is most of what a command costs a slow link, is compressed; what runs is the same.
    Where it cannot be unpacked whole (gzip compares a checksum) nothing runs, and the exit status is 127.
    """
    if len(script) > _WORTH_COMPRESSING:
        content = zlib.compress(script.encode(errors="surrogateescape"), 9, _GZIP)
        packed = b2a_base64(content, newline=False).decode()
        if len(packed) < len(script):
            unpacked = '$(printf %s "$0" | base64 -d | gzip -dc)'
            return f"exec sh -c 'ftl_script={unpacked} || exit 127; eval \"$ftl_script\"' '{packed}'"
    return f"exec sh -c 'eval \"$(printf \"$0\")\"' '{_escaped(script)}'"


def _escaped(text: str) -> str:
    """Text as a format of printf(1), with octal escapes for all that a login shell may read in single quotes."""
    return "".join(f"\\{ord(character):03o}" if character in _SPECIAL else character for character in text)


def kill(pid: str) -> str:
    """The command line that ends such a command and all that it started."""
    return command_line(shell(_END, "sh", pid))
