"""Passwords and keys that a taken-over file demands: made up in .env where nothing has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.env_secrets import values_in
from ftl.onboarding.new_files import write
from ftl.onboarding.takeover.generated import is_own_password
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over

from ..conftest import put_files
from .compose import verdicts

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = """
services:
  web:
    image: x:1
    environment:
      DB_PASSWORD: ${DB_PASSWORD:?say one}
      SECRET_KEY: ${SECRET_KEY:?}
      APP_KEY: ${APP_KEY}
      SMTP_PASSWORD: ${SMTP_PASSWORD:?}
      HOST: ${HOST_NAME:?}
      GIVEN_PASSWORD: ${GIVEN_PASSWORD:?}
  db: {image: "postgres:16", environment: {POSTGRES_PASSWORD: $PG_PASSWORD}}
"""


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "POSTGRES_PASSWORD",
        "SECRET_KEY_BASE",
        "JWT_SECRET",
        "N8N_ENCRYPTION_KEY",
        "minio_root_password",
    ],
)
def test_names_of_own_passwords(name: str) -> None:
    """Any value will do."""
    assert is_own_password(name)


@pytest.mark.parametrize(
    "name",
    [
        "SMTP_PASSWORD",
        "STRIPE_SECRET_KEY",
        "AWS_SECRET",
        "GITHUB_CLIENT_SECRET",
        "API_KEY",
        "TOKEN",
        "PASSWORD_HASH",
        "DOMAIN",
    ],
)
def test_names_whose_values_others_have(name: str) -> None:
    """A made-up value would be wrong."""
    assert not is_own_password(name)


def test_demanded_passwords_are_made_up(tmp_path: Path) -> None:
    """With them the result can be validated and deployed; what only the user knows stays a thing to do."""
    put_files(tmp_path, {"compose.yaml": COMPOSE})
    result = take_over([tmp_path / "compose.yaml"], tmp_path, {"GIVEN_PASSWORD": "x"})
    write(tmp_path, result.files, file="ftl.yaml")
    made = values_in(tmp_path)
    assert set(made) == {"DB_PASSWORD", "SECRET_KEY", "PG_PASSWORD"}
    assert len(set(made.values())) == 3
    assert all(len(value) == 32 for value in made.values())
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".gitignore").read_text().splitlines()[0] == ".env"
    found = verdicts(result.report)
    assert {found[f"${{{name}}}"] for name in made} == {Verdict.CHANGED}
    assert (found["${SMTP_PASSWORD}"], found["${HOST_NAME}"]) == (Verdict.NEEDS_YOU, Verdict.NEEDS_YOU)
    assert "GIVEN_PASSWORD" not in str(made)


def test_an_env_file_that_exists_is_not_changed(tmp_path: Path) -> None:
    """Its rows have the command that adds a value."""
    put_files(tmp_path, {"compose.yaml": COMPOSE, ".env": "SECRET_KEY=k\n", ".gitignore": "x\n"})
    result = take_over([tmp_path / "compose.yaml"], tmp_path, {})
    assert ".env" not in result.files
    rows = {row.key: row for row in result.report.rows}
    assert "`echo DB_PASSWORD=$(openssl rand -hex 16) >> .env`" in rows["${DB_PASSWORD}"].text
    assert rows["${DB_PASSWORD}"].verdict is Verdict.NEEDS_YOU
    assert rows[".gitignore"].verdict is Verdict.NEEDS_YOU
    assert "${SECRET_KEY}" not in rows
