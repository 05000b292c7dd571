"""Fetch the values of secrets from commands, files, age files and the environment.

Only secrets that the file uses are fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.json_fields import parse_json
from ftl.common.next_step import ftl
from ftl.config.secret_command import (
    SecretCommandFailed,
    command_words,
    credentials_in,
    secret_output,
    without_secrets,
)
from ftl.config.variables.env_file import parse_env_file
from ftl.config.yaml.locations import SourceFile
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.secret import Secret


class SecretError(Exception):
    """A secret has no value; the text has the reason, `hint` the remedy."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def value_in(secret: Secret, text: str, *, many: bool) -> str:
    """The value in the text of a source.

    Raises:
        SecretError: There is none, or it is still encrypted.
    """
    structure = secret.format
    if many and structure == "text":
        structure = "json" if text.lstrip().startswith("{") else "dotenv"
    if structure == "text":
        return checked(
            text.rstrip("\r\n"), "it is empty" if secret.command is None else "the command printed nothing"
        )
    source = _source(secret)
    if not text.strip():
        raise SecretError(
            "the command printed nothing" if secret.command is not None else f"{source} is empty"
        )
    name = secret.key or secret.name
    entry = _json_entry if structure == "json" else _dotenv_entry
    return checked(entry(name, text, source), f"{name} is empty in {source}")


def _source(secret: Secret) -> str:
    """The place of a text with several values, in messages."""
    if secret.command is not None:
        return "the output"
    return secret.file if secret.file is not None else f"the variable {secret.env or secret.name}"


def checked(value: str, if_empty: str) -> str:
    """The value, if there is one.

    Raises:
        SecretError: It is empty, or still encrypted.
    """
    if not value.strip():
        raise SecretError(if_empty)
    if "ENC[" in value:
        hint = "decrypt it: `{command: sops -d FILE, format: dotenv}`"
        raise SecretError("it is still encrypted by sops (`ENC[...]`)", hint)
    return value


def _json_entry(name: str, text: str, source: str) -> str:
    try:
        values = parse_json(text, numbers_as_text=True)
    except ValueError:
        raise SecretError(f"{source} is not JSON") from None
    if not isinstance(values, dict):
        raise SecretError(f"{source} is {_json_kind(values)}, not a map of names to values")
    match values.get(name):
        case str() as value:
            return value
        case bool() as value:
            return "true" if value else "false"
        case None if name not in values:
            raise _missing(name, values, source)
        case value:
            hint = "a secret is a text, a number, true or false; `jq` can select one in the command"
            raise SecretError(f"{name} is {_json_kind(value)} in {source}", hint)


def _json_kind(value: object) -> str:
    """Kind of a JSON value in messages; numbers are texts."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case dict():
            return "a map"
        case list():
            return "a list"
        case _:
            return "a single value"


def _dotenv_entry(name: str, text: str, source: str) -> str:
    entries, _ = parse_env_file(SourceFile("the output", text, confidential=True), {}, interpolated=False)
    if name not in entries:
        raise _missing(name, entries, source)
    return entries[name].value


def _missing(name: str, known: Collection[str], source: str) -> SecretError:
    names = f"it has {', '.join(sorted(known)[:10])}" if known else None
    return SecretError(f"{source} has no {name}", names)


_NAMES = "{names}"


def fetch_secrets(
    secrets: Sequence[Secret], folder: Path, variables: Mapping[str, str]
) -> dict[str, str | SecretError]:
    """The value of each secret, or why it has none; commands run in `folder` with the variables."""
    calls: dict[tuple[str, ...], _Call] = {}
    by_name: dict[str, _Call] = {}
    for secret in secrets:
        if secret.command:
            call = _call_of(secret, calls)
            asked = secret.key or secret.name
            if asked not in call.names:
                call.names.append(asked)
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
    _mask(values, by_name, list(credentials_in(variables)))
    return values


def _call_of(secret: Secret, calls: dict[tuple[str, ...], _Call]) -> _Call:
    """The call that prints a secret, which has the longest time that one of its secrets gives it."""
    assert secret.command is not None
    try:
        words = command_words(secret.command)
    except SecretCommandFailed as failure:
        return _Call([], secret.timeout, failure=failure)
    call = calls.setdefault(tuple(words), _Call(words, secret.timeout))
    call.seconds = max(call.seconds, secret.timeout)
    return call


def _mask(
    values: Mapping[str, str | SecretError], calls: Mapping[str, _Call], credentials: Sequence[str]
) -> None:
    """Give errors the words of their commands, without values that others printed, credentials and tokens."""
    known = [*(value for value in values.values() if isinstance(value, str)), *credentials]
    for name, error in values.items():
        if isinstance(error, SecretError):
            failure = calls[name].failure if name in calls else None
            said = error.message if failure is None else failure.said(known)
            error.message = without_secrets(said, known)


@dataclass(slots=True, eq=False)
class _Call:
    """A command, with the names of all that it prints."""

    words: list[str]
    seconds: float
    names: list[str] = field(default_factory=list)
    output: str = ""
    failure: SecretCommandFailed | None = None

    @property
    def argv(self) -> list[str]:
        return [
            word
            for each in self.words
            for word in (self.names if each == _NAMES else [each.replace(_NAMES, ",".join(self.names))])
        ]


def _output(secret: Secret, call: _Call | None, folder: Path, variables: Mapping[str, str]) -> str:
    """The text that a source has for a secret."""
    if call is not None:
        if call.failure is not None:
            # Its arguments may have credentials from variables; the place of the secret shows them as they are written.
            raise SecretError(call.failure.reason, call.failure.hint)
        return call.output
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
    from ftl.config.age.age_file import AgeFile, parse_map

    try:
        age_file = AgeFile(folder / file, variables)
        return parse_map(age_file.read(), file)
    except FileNotFoundError:
        return SecretError(f"there is no file {file}", f"{ftl('secrets set NAME')} creates it")
    except FtlError as error:
        return SecretError(f"{error.message} ({error.cause})" if error.cause else error.message, error.hint)


def _entry_of(secret: Secret, values: Mapping[str, str] | SecretError) -> str:
    """The value of a secret in an age file."""
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
        from ftl.aio import gather, run_loop

        run_loop(gather((_fetch(call, folder, variables) for call in calls), limit=len(calls)))


async def _fetch(call: _Call, folder: Path, variables: Mapping[str, str]) -> None:
    try:
        call.output = await secret_output(call.argv, seconds=call.seconds, env=variables, cwd=folder)
    except SecretCommandFailed as failure:
        call.failure = failure
