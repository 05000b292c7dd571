"""Build secrets are resolved before a build starts."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.config.models.project import BuildSecret
from ftl.errors import BuildFailed
from ftl.image.building.docker_cli.build_secrets import (
    MAX_BYTES,
    ResolvedSecret,
    csv_fields,
    pass_secrets,
    resolve_secrets,
)


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
    with pytest.raises(BuildFailed, match="the build secret `x`") as caught:
        resolve_secrets([secret], root=tmp_path, environ={})
    assert caught.value.cause
    assert caught.value.hint
    variable = secret.env or secret.id
    assert secret.file or f"write `{variable}=VALUE` into .env" in caught.value.hint


@pytest.mark.timeout(10)
def test_a_secret_is_a_regular_file_or_empty(tmp_path: Path) -> None:
    """The docker CLI would wait at a FIFO for ever, and read /dev/zero without end."""
    os.mkfifo(tmp_path / "fifo")
    for file, words in (
        ("fifo", "it is a FIFO"),
        ("/dev/zero", "it is a character device"),
        (".", "directory"),
    ):
        with pytest.raises(BuildFailed, match="the build secret `x` cannot be read") as caught:
            resolve_secrets([BuildSecret(id="x", file=file)], root=tmp_path, environ={})
        assert words in (caught.value.cause or "")
    assert resolve_secrets([BuildSecret(id="x", file="/dev/null")], root=tmp_path, environ={})


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1), min_size=1))
def test_fields_of_an_option_are_read_back_as_they_are(fields: list[str]) -> None:
    """A comma, a quote or a line break in an ID or a path never begins another field."""
    assert list(csv.reader(io.StringIO(csv_fields(*fields), newline=""), strict=True)) == [fields]


@pytest.mark.parametrize(
    ("secret", "flag"),
    [
        (ResolvedSecret("a,src=/etc/shadow", env="X"), '"id=a,src=/etc/shadow",env=X'),
        (ResolvedSecret("ca", source=Path("/a,b/c.pem")), 'id=ca,"src=/a,b/c.pem"'),
        (ResolvedSecret("ca", source=Path('/a"b.pem')), 'id=ca,"src=/a""b.pem"'),
    ],
)
def test_ids_and_paths_are_quoted_as_csv(secret: ResolvedSecret, flag: str) -> None:
    """An ID that looks like another field stays an ID."""
    assert secret.flag == flag


def test_a_large_value_is_passed_as_a_file(tmp_path: Path) -> None:
    """The environment takes no variable of 128 KiB; the file has the same bytes."""
    large = "x" * 200_000
    secrets = (ResolvedSecret("small", env="SMALL"), ResolvedSecret("large", env="LARGE"))
    passed, env = pass_secrets(secrets, {"SMALL": "1", "LARGE": large}, tmp_path)
    assert env == {"FTL_BUILD_SECRET_0": "1"}
    assert passed[0] == ResolvedSecret("small", env="FTL_BUILD_SECRET_0")
    assert passed[1].env is None
    assert passed[1].source is not None
    assert passed[1].source.read_text() == large


def test_a_secret_that_the_builder_refuses_is_refused_first(tmp_path: Path) -> None:
    """BuildKit takes at most 500 KiB."""
    with pytest.raises(BuildFailed, match="the build secret `x` is too large"):
        resolve_secrets([BuildSecret(id="x")], root=tmp_path, environ={"x": "1" * (MAX_BYTES + 1)})
