"""Sections about secrets."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from ftl.config.models import field_types
from ftl.config.models.field_types import Alternatives, CommandLine, Section
from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSecret(Section):
    """`services[].secrets[]:` a secret of the project that the containers get.

    A single value is the name.
    """

    name: str = field(metadata=field_types.key_metadata(field_types.VARIABLE, "Name of the secret."))
    file: str | None = field_types.key(
        field_types.CONTAINER_PATH,
        "Path in the container of a file with the value.",
        None,
        default_text="a variable of this name",
    )
    mode: str = field_types.key(field_types.MODE, "Permissions of the file.", "0400")
    owner: str = field_types.key(field_types.OWNER, "Numeric user and group of the file: `1000:1000`.", "0:0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret(Section):
    """`secrets:` a name with the place that its value is fetched from when it is used.

    Written as a map of names: `API_KEY: {file: secrets/api_key}`. The source is one of `command`, `file`, `env`
    and `age`.
    """

    ALTERNATIVES: ClassVar = (Alternatives(("command", "file", "env", "age"), ("format", "key", "timeout")),)

    name: str = field(metadata=field_types.key_metadata(field_types.VARIABLE, "Name, as in `${NAME}`."))
    command: str | tuple[str, ...] | None = field_types.key(
        CommandLine(),
        "Command that prints the value; runs on this machine, without a shell. The word `{names}` becomes the "
        "names, or the `key`s, of all secrets with this command, and it prints NAME=VALUE lines or a JSON object.",
        None,
        sensitive=True,
    )
    file: str | None = field_types.key(field_types.PATH, "File with the value, relative to ftl.yaml.", None)
    env: str | None = field_types.key(
        field_types.VARIABLE, "Variable of the environment or .env with the value.", None
    )
    age: str | None = field_types.key(
        field_types.PATH, "Age-encrypted YAML map with the value below `key`, relative to ftl.yaml.", None
    )
    format: str = field_types.key(
        field_types.SECRET_FORMAT,
        "`text`: the output is the value; `dotenv`, `json`: it has several, and `key` selects one.",
        "text",
    )
    key: str | None = field_types.key(
        field_types.TEXT,
        "Name of the value in a `dotenv` or `json` output, or in an age file.",
        None,
        default_text="the secret's name",
    )
    timeout: float = field_types.key(field_types.INTERVAL, "Time that the command may take.", 60.0)
