"""Build secrets are resolved before a build starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import BuildSecret
from ftl.errors import BuildFailed
from ftl.image.building.build_secrets import ResolvedSecret, resolve_secrets

if TYPE_CHECKING:
    from pathlib import Path


def test_a_secret_comes_from_a_file_or_a_variable(tmp_path: Path) -> None:
    """Files are relative to ftl.yaml's folder; a secret without a source is the variable of the same name."""
    (tmp_path / "ca.pem").write_text("x")
    secrets = [
        BuildSecret(id="ca", file="ca.pem"),
        BuildSecret(id="npm", env="NPM_TOKEN"),
        BuildSecret(id="BARE"),
    ]
    resolved = resolve_secrets(secrets, root=tmp_path, environ={"NPM_TOKEN": "1", "BARE": "2"})
    assert resolved == (
        ResolvedSecret("ca", source=tmp_path / "ca.pem"),
        ResolvedSecret("npm", env="NPM_TOKEN"),
        ResolvedSecret("BARE", env="BARE"),
    )


@pytest.mark.parametrize(
    "secret", [BuildSecret(id="x", env="NOT_SET"), BuildSecret(id="x", file="not-there"), BuildSecret(id="x")]
)
def test_a_missing_secret_fails_the_build(secret: BuildSecret, tmp_path: Path) -> None:
    """The error names the secret and what is missing."""
    with pytest.raises(BuildFailed, match="the build secret `x` was not found") as caught:
        resolve_secrets([secret], root=tmp_path, environ={})
    assert caught.value.cause
    assert caught.value.hint
