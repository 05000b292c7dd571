"""Fetch the values of secrets from commands, files, age files and the environment.

Only secrets that the file uses are fetched. A command has no stdin and no terminal: one that asks for a password must
not wait for ever behind FTL's output. Its output is never given to a shell.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.next_step import ftl
from ftl.config.read.secret_texts import SecretError, checked, value_in
from ftl.config.variables.interpolation import MASK
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ftl.child import Completed
    from ftl.config.models.secret import Secret

_NAMES = "{names}"
_MAX_OUTPUT = 4 << 20
_FOR_SHELL = re.compile(r"(\|\|?|&&?)|([0-9]?[<>]+).*|.*(;)|(\$\().*|(`).*", re.DOTALL)
"""Words, outside of quotes, of a command that was written for a shell; each with its operator as the only group."""


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


def fetch_secrets(
    secrets: Sequence[Secret], folder: Path, variables: Mapping[str, str]
) -> dict[str, str | SecretError]:
    """Fetch the values of secrets; commands run in `folder` with the variables.

    Returns:
        The value of each, or why it has none.
    """
    calls: dict[tuple[str, ...], _Call] = {}
    by_name: dict[str, _Call] = {}
    for secret in secrets:
        if secret.command and not _operator(secret.command):
            words = shlex.split(secret.command) if isinstance(secret.command, str) else list(secret.command)
            call = calls.setdefault(tuple(words), _Call(words, secret.timeout))
            call.names.append(secret.name)
            by_name[secret.name] = call
    _run(list(calls.values()), folder, variables)
    values: dict[str, str | SecretError] = {}
    maps: dict[str, Mapping[str, str] | SecretError] = {}
    for secret in secrets:
        try:
            if secret.age is not None:
                if secret.age not in maps:
                    maps[secret.age] = _age_map(secret.age, folder, variables)
                value = _entry_of(secret, maps[secret.age]).rstrip("\r\n")
                values[secret.name] = checked(value, f"{secret.key or secret.name} is empty in {secret.age}")
                continue
            text = _output(secret, by_name.get(secret.name), folder, variables)
            many = secret.name in by_name and _NAMES in by_name[secret.name].words
            values[secret.name] = value_in(secret, text, many=many)
        except SecretError as error:
            values[secret.name] = error
    credentials = [
        value
        for name, value in variables.items()
        if _CREDENTIAL.search(name) and not value.startswith("/")  # the path of a file is no secret
    ]
    _mask(values.values(), credentials)
    return values


def _mask(values: Collection[str | SecretError], credentials: Sequence[str]) -> None:
    """Mask secrets in the output of commands that failed: values that others printed, credentials, tokens."""
    known = {value for value in (*values, *credentials) if isinstance(value, str) and len(value) >= _SHORTEST}
    for error in values:
        if isinstance(error, SecretError):
            for value in sorted(known, key=len, reverse=True):
                error.message = error.message.replace(value, MASK)
            error.message = _TOKEN.sub(MASK, error.message)


@dataclass(slots=True, eq=False)
class _Call:
    """A command, with the names of all secrets that it prints."""

    words: list[str]
    seconds: float
    names: list[str] = field(default_factory=list)
    output: str = ""
    failure: str | None = None
    hint: str = ""

    @property
    def argv(self) -> list[str]:
        return [
            word
            for each in self.words
            for word in (self.names if each == _NAMES else [each.replace(_NAMES, ",".join(self.names))])
        ]


def _operator(command: str | tuple[str, ...]) -> str | None:
    """An operator in a command that only a shell understands; None: there is none, or it is a list.

    Without the word that it is in, which may have a credential from a variable.
    """
    if not isinstance(command, str):
        return None
    words = shlex.shlex(command, posix=False, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    matches = (_FOR_SHELL.fullmatch(word) for word in words)
    return next((match[match.lastindex or 0] for match in matches if match), None)


def _output(secret: Secret, call: _Call | None, folder: Path, variables: Mapping[str, str]) -> str:
    """The text that a source has for a secret.

    Raises:
        SecretError: It has none.
    """
    if call is not None:
        if call.failure is not None:
            # Its arguments may have credentials from variables; the place of the secret shows them as they are written.
            raise SecretError(call.failure, call.hint or f"run its command by hand in {folder}")
        return call.output
    if secret.command is not None:
        raise SecretError(
            f"`{_operator(secret.command)}` needs a shell, but the command runs without one",
            "write it as `command: [sh, -c, '...']`",
        )
    if secret.file is not None:
        try:
            return read_small_text(folder / secret.file)
        except FileNotFoundError:
            raise SecretError(f"there is no file {secret.file}", "its path is relative to ftl.yaml") from None
        except OSError as error:
            raise SecretError(f"{secret.file} cannot be read: {error.strerror}") from error
    name = secret.env or secret.name
    if name not in variables:
        raise SecretError(f"the variable {name} is not set", "set it in the environment or in .env")
    return variables[name]


def _age_map(file: str, folder: Path, variables: Mapping[str, str]) -> Mapping[str, str] | SecretError:
    """All values of an age file, decrypted once for all secrets in it."""
    from ftl.config.age.age_file import AgeFile
    from ftl.config.age.secret_map import parse_map

    try:
        age_file = AgeFile(folder / file, variables)
        return parse_map(age_file.read().text, file)
    except FileNotFoundError:
        return SecretError(f"there is no file {file}", f"{ftl('secrets set NAME')} creates it")
    except FtlError as error:
        return SecretError(f"{error.message} ({error.cause})" if error.cause else error.message, error.hint)


def _entry_of(secret: Secret, values: Mapping[str, str] | SecretError) -> str:
    """The value of a secret in an age file.

    Raises:
        SecretError: It has none.
    """
    if isinstance(values, SecretError):
        raise SecretError(values.message, values.hint)
    name = secret.key or secret.name
    if name not in values:
        names = f"it has {', '.join(sorted(values)[:10])}; " if values else ""
        raise SecretError(
            f"{secret.age} has no {name}", f"{names}{ftl(f'secrets set {secret.name}')} adds it"
        )
    return values[name]


def _run(calls: Sequence[_Call], folder: Path, variables: Mapping[str, str]) -> None:
    """Run commands side by side, each within its time, and end all of them whatever happens."""
    if calls:  # asyncio is slow to import
        import asyncio

        from ftl.aio import gather

        asyncio.run(gather((_fetch(call, folder, variables) for call in calls), limit=len(calls)))


async def _fetch(call: _Call, folder: Path, variables: Mapping[str, str]) -> None:
    from ftl.child import complete

    try:
        done = await complete(call.argv, seconds=call.seconds, env=variables, cwd=folder, limit=_MAX_OUTPUT)
    except TimeoutError:
        call.failure = f"the command took more than {call.seconds:g} s"
        call.hint = f"run it by hand in {folder}: it may ask for something, and has no terminal here"
    except OSError as error:
        call.failure = f"`{call.argv[0]}` cannot be started: {error.strerror}"
        call.hint = "is it installed on this machine, and in PATH?"
    else:
        call.output = done.stdout.decode(errors="replace")
        call.failure = _failure(done)
        call.hint = f"its exit code was {done.exit_code}; run it by hand in {folder}"


def _failure(done: Completed) -> str | None:
    """Reason for which a command failed, from its output."""
    if done.exit_code == 0:
        return None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return (
        f"the command failed: {lines[-1].strip()}"
        if lines
        else f"the command ended with status {done.exit_code}"
    )
