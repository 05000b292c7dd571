"""Resolve build secrets.

This is done before a build starts, so that a missing secret fails at once, not at the step that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config import BuildSecret


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
        return f"id={self.id},env={self.env}" if self.env is not None else f"id={self.id},src={self.source}"


def resolve_secrets(
    secrets: Sequence[BuildSecret], *, root: Path, environ: Mapping[str, str]
) -> tuple[ResolvedSecret, ...]:
    """Resolve the secrets of a service, checking that each exists.

    Args:
        secrets: From ftl.yaml; one without a source is the variable of the same name.
        root: Base of relative paths.
        environ: The variables that are passed to the builder.

    Raises:
        BuildFailed: A variable is not set, or a file does not exist.
    """
    return tuple(_resolve(secret, root, environ) for secret in secrets)


def _resolve(secret: BuildSecret, root: Path, environ: Mapping[str, str]) -> ResolvedSecret:
    if secret.file is not None:
        path = root / Path(secret.file).expanduser()
        if not path.exists() or path.is_dir():  # a device is valid: /dev/null is an empty secret
            raise BuildFailed(
                f"the build secret `{secret.id}` was not found",
                cause=f"{path} does not exist",
                hint="create the file, or correct its name under `build.secrets`",
            )
        return ResolvedSecret(secret.id, source=path.resolve())
    variable = secret.env or secret.id
    if variable not in environ:
        raise BuildFailed(
            f"the build secret `{secret.id}` was not found",
            cause=f"the variable {variable} is not set",
            hint=f"set {variable} in the environment, or in .env next to ftl.yaml",
        )
    return ResolvedSecret(secret.id, env=variable)
