"""Resolve build secrets.

This is done before a build starts, so that a missing secret fails at once, not at the step that uses it.

A value goes to the docker CLI by its environment, and a large one by a file: Linux refuses to start a program with a
variable of 128 KiB or more (execve(2), MAX_ARG_STRLEN).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import regular_file_size
from ftl.config.values.cli_variables import SECRET_PREFIX
from ftl.dataclass import dataclass
from ftl.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import BuildSecret


MAX_BYTES = 500 * 1024
"""Size from which on BuildKit refuses a secret (`MaxSecretSize`)."""

_MAX_VARIABLE = 32 * 1024


@dataclass(frozen=True, slots=True)
class ResolvedSecret:
    """A build secret and the source of its value: a variable of the environment, or a file."""

    id: str
    env: str | None = None
    source: Path | None = None

    @property
    def flag(self) -> str:
        """The value of `--secret`, which names the source and never contains the secret.

        `env=` and `src=` are supported by CLI 20.10's built-in BuildKit and by every buildx.
        """
        source = f"env={self.env}" if self.env is not None else f"src={self.source}"
        return csv_fields(f"id={self.id}", source)


def csv_fields(*fields: str) -> str:
    """Join fields of an option that the docker CLI parses as a line of CSV (encoding/csv)."""
    return ",".join(_csv_field(field) for field in fields)


def _csv_field(field: str) -> str:
    if not any(char in field for char in ',"\r\n') and not field.startswith(" "):
        return field
    return '"' + field.replace('"', '""') + '"'


def resolve_secrets(
    secrets: Sequence[BuildSecret], *, root: Path, environ: Mapping[str, str]
) -> tuple[ResolvedSecret, ...]:
    """Resolve the secrets of a service, checking that each exists.

    One without a source is the variable of the same name.

    Raises:
        BuildFailed: A variable is not set, a file does not exist or is not a regular one, or the secret is too large.
    """
    return tuple(_resolve(secret, root, environ) for secret in secrets)


def pass_secrets(
    secrets: Sequence[ResolvedSecret], variables: Mapping[str, str], folder: Path
) -> tuple[tuple[ResolvedSecret, ...], dict[str, str]]:
    """Split the secrets into files and variables of the docker CLI's environment.

    The variables have separate names: a build argument, or the CLI itself, may use those that ftl.yaml has.
    Values that are too large for the environment are written to `folder`, which is private.
    """
    passed: list[ResolvedSecret] = []
    env: dict[str, str] = {}
    for number, secret in enumerate(secrets):
        if secret.env is None:
            passed.append(secret)
            continue
        value = variables[secret.env]
        content = value.encode(errors="surrogateescape")
        if len(content) > _MAX_VARIABLE:
            file = folder / f"secret-{number}"
            file.write_bytes(content)
            passed.append(replace(secret, env=None, source=file))
        else:
            name = f"{SECRET_PREFIX}{number}"
            env[name] = value
            passed.append(replace(secret, env=name))
    return tuple(passed), env


def _resolve(secret: BuildSecret, root: Path, environ: Mapping[str, str]) -> ResolvedSecret:
    if secret.file is not None:
        path = root / secret.file
        try:
            _check_size(secret.id, regular_file_size(path))
        except OSError as error:
            raise BuildFailed(
                f"the build secret `{secret.id}` cannot be read",
                cause=f"{path}: {error.strerror}",
                hint="create the file, or correct its name under `build.secrets`",
            ) from None
        return ResolvedSecret(secret.id, source=path.resolve())
    variable = secret.env or secret.id
    if variable not in environ:
        raise BuildFailed(
            f"the build secret `{secret.id}` was not found",
            cause=f"the variable {variable} is not set",
            hint=f"write `{variable}=VALUE` into .env next to ftl.yaml, set it in the environment, or name its source "
            f"below `secrets` of the project: `{variable}: {{command: ...}}`",
        )
    _check_size(secret.id, len(environ[variable].encode(errors="surrogateescape")))
    return ResolvedSecret(secret.id, env=variable)


def _check_size(secret_id: str, size: int) -> None:
    if size > MAX_BYTES:
        raise BuildFailed(
            f"the build secret `{secret_id}` is too large",
            cause=f"it has {size:,} bytes, and BuildKit takes at most {MAX_BYTES:,}",
            hint="copy large files into a stage of the Dockerfile that is not part of the image",
        )
