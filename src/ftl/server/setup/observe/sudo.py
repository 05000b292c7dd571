"""Becoming root on a server: as it is, or by sudo, whose password goes through stdin and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from ftl.errors import ServerError
from ftl.server.setup import scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

SudoOutcome = Literal["ok", "no-sudo", "password", "refused"]

_MARK = "ftl-root\t"

# Debian's and Ubuntu's; whoever is in none of them has hardly a password for sudo.
_SUDO_GROUPS = frozenset({"sudo", "admin", "wheel"})

# sudo's words, seen on 1.9.5 to 1.9.16
_NO_SUDOER = ("not in the sudoers", "not allowed", "may not run")


@dataclass(frozen=True, slots=True)
class SudoResult:
    """What came of it.

    Attributes:
        outcome: "ok": the script runs; "no-sudo": there is none; "password": sudo wants one; "refused": it does
            not take the one it got.
        words: sudo's own; for "password" the groups of who logged in.
    """

    outcome: SudoOutcome
    words: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether the password was wrong, for somebody who may use sudo."""
        return self.outcome == "refused" and not any(words in self.words for words in _NO_SUDOER)

    @property
    def may_ask(self) -> bool:
        """Whether a password may be worth asking for."""
        return self.outcome == "password" and bool(_SUDO_GROUPS & set(self.words.split()))


def root_command(script: str, *arguments: str) -> list[str]:
    """The argument list that runs a script as root; see scripts/root.sh for what it reads and says."""
    return ["sh", "-c", scripts.as_root(), "sh", script, *arguments]


def password_line(password: str) -> bytes:
    """What its stdin begins with.

    Raises:
        ServerError: No password has a line break.
    """
    if "\n" in password:
        raise ServerError("the password for sudo has more than one line")
    return f"{password}\n".encode()


def read_result(lines: Sequence[str]) -> tuple[SudoResult, int] | None:
    """The answer among lines of output, and how many lines it took; None while it is not there.

    A login script's chatter may come before it.
    """
    for number, line in enumerate(lines, 1):
        if line.startswith(_MARK):
            outcome, _, words = line.removeprefix(_MARK).partition("\t")
            if outcome in get_args(SudoOutcome):
                return SudoResult(cast("SudoOutcome", outcome), words.strip()), number
    return None


def refusal(answer: SudoResult, *, user: str, server: str) -> ServerError:
    """Why we are not root, in words."""
    if answer.outcome == "no-sudo":
        return ServerError(
            f"{user} is not root on {server}, and there is no sudo",
            cause="setup installs packages and changes files of the system",
            hint="`ftl setup --as root`, if root may log in; else, there: `su -c 'apt-get install sudo'`",
        )
    if answer.outcome == "password":
        return ServerError(
            f"sudo wants {user}'s password on {server}, and there is no terminal to ask for it",
            hint="run it in a terminal, put the password into FTL_SUDO_PASSWORD, or `ftl setup --as root`",
        )
    if answer.outcome == "refused" and not answer.is_wrong:
        return ServerError(
            f"{user} may not use sudo on {server}",
            cause=answer.words,
            hint=f"`ftl setup --as root`; or, there, as root: `usermod -aG sudo {user}`",
        )
    return ServerError(
        f"sudo does not take the password for {user} on {server}",
        cause=answer.words or None,
        hint=f"it is the password of {user} there, not of the key; nothing was changed",
    )
