"""Privilege escalation: run a script as root, by sudo where needed.

Its password goes through stdin only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, get_args

from ftl.common.next_step import ftl
from ftl.common.programs import shell
from ftl.dataclass import dataclass
from ftl.errors import ServerError
from ftl.server.setup import scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

SudoOutcome = Literal["ok", "no-sudo", "password", "refused"]

_SENTINEL = "ftl-root\t"

# Debian's and Ubuntu's; a user in none of them hardly has a password for sudo.
_SUDO_GROUPS = frozenset({"sudo", "admin", "wheel"})

# sudo's messages, seen on 1.9.5 to 1.9.16
_NO_SUDOER = ("not in the sudoers", "not allowed", "may not run")


@dataclass(frozen=True, slots=True)
class SudoResult:
    """Result of becoming root.

    Attributes:
        outcome: "ok": the script runs; "no-sudo": sudo is not installed; "password": sudo wants one; "refused": it
            does not accept the one it got.
        message: sudo's own; for "password" the groups of the user who logged in.
    """

    outcome: SudoOutcome
    message: str = ""

    @property
    def is_wrong_password(self) -> bool:
        """Whether the password was wrong, for a user who may use sudo."""
        return self.outcome == "refused" and not any(words in self.message for words in _NO_SUDOER)

    @property
    def should_ask(self) -> bool:
        """Whether asking for a password makes sense."""
        return self.outcome == "password" and bool(_SUDO_GROUPS & set(self.message.split()))


def root_command(script: str, *arguments: str) -> list[str]:
    """The argument list that runs a script as root; see scripts/as_root.sh for its protocol."""
    return shell(scripts.as_root(), "sh", script, *arguments)


def password_line(password: str) -> bytes:
    """The first line of its stdin.

    Raises:
        ServerError: The password has a line break.
    """
    if "\n" in password:
        raise ServerError("the password for sudo has more than one line")
    return f"{password}\n".encode()


def read_result(lines: Sequence[str]) -> tuple[SudoResult, int] | None:
    """The result in lines of output, and the number of lines up to it; None: not printed yet.

    A login script's chatter may come before it.
    """
    for number, line in enumerate(lines, 1):
        if line.startswith(_SENTINEL):
            outcome, _, message = line.removeprefix(_SENTINEL).partition("\t")
            if outcome in get_args(SudoOutcome):
                return SudoResult(cast("SudoOutcome", outcome), message.strip()), number
    return None


def sudo_error(result: SudoResult, *, user: str, server: str) -> ServerError:
    """The error for a result that is not "ok"."""
    if result.outcome == "no-sudo":
        return ServerError(
            f"{user} is not root on {server}, and sudo is not installed there",
            cause="setup installs packages and changes system files",
            hint=f"{ftl('setup --as root')}, if root may log in; else, on the server: `su -c 'apt-get install sudo'`",
        )
    if result.outcome == "password":
        return ServerError(
            f"sudo on {server} wants the password of {user}, and there is no terminal to ask for it",
            hint=f"run it in a terminal, put the password into FTL_SUDO_PASSWORD, or {ftl('setup --as root')}",
        )
    if result.outcome == "refused" and not result.is_wrong_password:
        return ServerError(
            f"{user} may not use sudo on {server}",
            cause=result.message,
            hint=f"{ftl('setup --as root')}; or, on the server, as root: `usermod -aG sudo {user}`",
        )
    return ServerError(
        f"sudo on {server} does not accept the password of {user}",
        cause=result.message or None,
        hint=f"it is the password of {user} on the server, not that of the SSH key; nothing was changed",
    )
