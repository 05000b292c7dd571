"""Build secrets, looked for before a build starts: a missing one should not cost the steps before its use."""

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
    """A build secret and where its value is: in a variable of the environment, or in a file."""

    id: str
    env: str | None = None
    source: Path | None = None

    @property
    def flag(self) -> str:
        """The value of `--secret`; names the place, never holds the secret.

        `env=` and `src=` are understood by CLI 20.10's built-in BuildKit and by every buildx.
        """
        return f"id={self.id},env={self.env}" if self.env is not None else f"id={self.id},src={self.source}"


def resolve_secrets(
    wanted: Sequence[BuildSecret], *, root: Path, environ: Mapping[str, str]
) -> tuple[ResolvedSecret, ...]:
    """The secrets of a service, each known to be there.

    Args:
        wanted: As ftl.yaml has them; without a place, the variable of the same name is meant.
        root: Where relative files start.
        environ: The variables that the builder will be given.

    Raises:
        BuildFailed: A variable is not set, or a file is not there.
    """
    return tuple(_find(secret, root, environ) for secret in wanted)


def _find(secret: BuildSecret, root: Path, environ: Mapping[str, str]) -> ResolvedSecret:
    if secret.file is not None:
        path = root / Path(secret.file).expanduser()
        if not path.exists() or path.is_dir():  # a device will do: /dev/null is an empty secret
            raise BuildFailed(
                f"the build secret `{secret.id}` is not there",
                cause=f"there is no file {path}",
                hint="create the file, or correct its name under `build.secrets`",
            )
        return ResolvedSecret(secret.id, source=path.resolve())
    variable = secret.env or secret.id
    if variable not in environ:
        raise BuildFailed(
            f"the build secret `{secret.id}` is not there",
            cause=f"the variable {variable} is not set",
            hint=f"set {variable} in the environment, or in the .env beside ftl.yaml",
        )
    return ResolvedSecret(secret.id, env=variable)
