"""Values of secrets in the texts of their sources: plain, NAME=VALUE lines or a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.json_fields import parse_json
from ftl.config.variables.env_file import parse_env_file
from ftl.config.yaml.locations import SourceFile

if TYPE_CHECKING:
    from collections.abc import Collection

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
