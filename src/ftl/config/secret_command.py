"""A user's command that prints a secret: its output, or its own words where it fails.

It has no stdin and no terminal: one that asks for a password must not wait for ever behind FTL's output. Its output is
never given to a shell, and is in no message: it may be a secret even where the command fails.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ftl.common.lines import ESCAPE
from ftl.common.redact import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_MAX_OUTPUT = 4 << 20

LINES, WIDTH = 5, 300
"""Last lines of a command's stderr that are shown, and characters of each."""

_FOR_SHELL = re.compile(r"(\|\|?|&&?)|([0-9]?[<>]+).*|.*(;)|(\$\().*|(`).*", re.DOTALL)
"""Words, outside of quotes, of a command that was written for a shell; each with its operator as the only group."""

_QUOTED = re.compile(r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)

_SHORTEST = 6
"""Shorter values are left in the output of a command that failed: they would be parts of other words."""

_CREDENTIAL = re.compile(
    r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|_AUTH$|^(?:BW|OP)_SESSION", re.I
)
"""Names of variables that a command may log in with."""

_TOKEN = re.compile(
    r"\b(?:gh[oprsu]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|[rs]k_(?:live|test)_\w{10,}"
    r"|A[KS]IA[A-Z0-9]{12,}|eyJ[\w-]{8,}(?:\.[\w-]+)+|hv[brs]\.[\w-]{16,}|ops_\w{20,}|dp\.\w{2,6}\.[\w.-]{16,}"
    r"|AGE-SECRET-KEY-1\w+)"
)
"""Tokens of GitHub, GitLab, Slack, Stripe, AWS, Vault, 1Password, Doppler and age, and JSON web tokens."""


class SecretCommandFailed(Exception):
    """A command printed no secret.

    Attributes:
        reason: Why, without its own words.
        hint: What helps.
        words: All that it wrote to stderr, as it came: secrets may be in it.
    """

    def __init__(self, reason: str, hint: str, words: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.words = words

    def said(self, known: Iterable[str]) -> str:
        """The reason and the command's last words, without these values and tokens."""
        lines = last_words(self.words, known)
        if not lines:
            return self.reason
        return (
            ": ".join((self.reason, lines[0]))
            if len(lines) == 1
            else "\n  ".join((f"{self.reason}:", *lines))
        )


def command_words(command: str | Sequence[str]) -> list[str]:
    """The words of a command.

    Raises:
        SecretCommandFailed: It is a text that was written for a shell.
    """
    if not isinstance(command, str):
        return list(command)
    matches = (_FOR_SHELL.fullmatch(word) for word in _QUOTED.sub("q", command).split())
    # Without the word that it is in, which may have a credential from a variable.
    operator = next((match[match.lastindex or 0] for match in matches if match), None)
    if operator is not None:
        raise SecretCommandFailed(
            f"`{operator}` needs a shell, but the command runs without one",
            "write it as `command: [sh, -c, '...']`",
        )
    return shlex.split(command)


async def secret_output(argv: Sequence[str], *, seconds: float, env: Mapping[str, str], cwd: Path) -> str:
    """Run a command, and return its output.

    Raises:
        SecretCommandFailed: It failed, took too long, or cannot be started.
    """
    from ftl.child import ChildTimeout, complete  # asyncio is slow to import

    try:
        done = await complete(argv, seconds=seconds, env=env, cwd=cwd, limit=_MAX_OUTPUT)
    except ChildTimeout as error:
        hint = f"run it by hand in {cwd}: it may ask for something, and has no terminal here"
        raise SecretCommandFailed(
            f"the command took more than {seconds:g} s", hint, error.error_text
        ) from None
    except OSError as error:
        hint = "is it installed on this machine, and in PATH?"
        raise SecretCommandFailed(f"`{argv[0]}` cannot be started: {error.strerror}", hint) from error
    if done.exit_code == 0:
        return done.text
    words = done.error_text
    reason = "the command failed" if words.strip() else f"the command ended with status {done.exit_code}"
    hint = f"its exit code was {done.exit_code}; run it by hand in {cwd}"
    raise SecretCommandFailed(reason, hint, words)


def last_words(text: str, known: Iterable[str]) -> list[str]:
    """The last lines of a text without known values, tokens and control characters."""
    clean = without_secrets(text, known)
    lines = [each for line in clean.split("\n") if (each := _printed(line))]
    # A value may have been in it in several colours.
    last = [without_secrets(line, known) for line in lines[-LINES:]]
    return [line if len(line) <= WIDTH else f"{line[:WIDTH]}..." for line in last]


def _printed(line: str) -> str:
    """The part of a line that a terminal shows."""
    text = ESCAPE.sub("", line.rstrip("\r").rpartition("\r")[2])
    return "".join(each for each in text if each.isprintable() or each == "\t").strip()


def without_secrets(text: str, known: Iterable[str]) -> str:
    """A text without known values, their lines, and tokens of the usual forms."""
    parts = {part for value in known for part in (value, *value.splitlines()) if len(part) >= _SHORTEST}
    for value in sorted(parts, key=len, reverse=True):
        text = text.replace(value, MASK)
    return _TOKEN.sub(MASK, text)


def credentials_in(variables: Mapping[str, str]) -> Iterator[str]:
    """The values of variables that a command may log in with."""
    for name, value in variables.items():
        if _CREDENTIAL.search(name) and not value.startswith("/"):  # the path of a file is no secret
            yield value
