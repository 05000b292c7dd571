"""Passwords and keys that a taken-over file demands: made up in .env where nothing has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.env_secrets import values_in
from ftl.onboarding.new_files import write
from ftl.onboarding.takeover.generated import is_own_password
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.takeover.compose.taking_over import verdicts

from ..conftest import put_files

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


ENV_FILES = """
services:
  web: {image: "x:1", env_file: db.env}
  db: {image: "mariadb:11", env_file: [db.env]}
  cache: {image: "redis:7", env_file: other.env}
"""


def test_env_files_of_dependencies_go_into_a_new_env_file(tmp_path: Path) -> None:
    """A dependency has no `env_file`: its values go where no git and no image has them, as they are written."""
    written = "MYSQL_DATABASE=shop\nMYSQL_ROOT_PASSWORD='a b'\nMYSQL_PASSWORD=\n"
    put_files(tmp_path, {"compose.yaml": ENV_FILES, "db.env": written, "other.env": "X=1\n"})
    result = take_over([tmp_path / "compose.yaml"], tmp_path, {})
    write(tmp_path, result.files, file="ftl.yaml")
    assert values_in(tmp_path) == {"MYSQL_DATABASE": "shop", "MYSQL_ROOT_PASSWORD": "'a b'", "X": "1"}
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    found = verdicts(result.report)
    assert found["services.db.env_file"] is found["services.cache.env_file"] is Verdict.CHANGED
    assert found["${MYSQL_PASSWORD}"] is Verdict.NEEDS_YOU
    assert not {"${MYSQL_DATABASE}", "${MYSQL_ROOT_PASSWORD}", "${X}"} & set(found)


@pytest.mark.parametrize(
    "more",
    [
        {".env": "A=1\n"},
        {"other.env": "MYSQL_DATABASE=other\n"},
        {"other.env": 'X="two\nlines"\n'},
    ],
    ids=["an .env that exists", "two values of one name", "a value of two lines"],
)
def test_env_files_that_the_user_has_to_copy(tmp_path: Path, more: dict[str, str]) -> None:
    """One row says so; the variables have none of their own."""
    files = {"compose.yaml": ENV_FILES, "db.env": "MYSQL_DATABASE=shop\n", "other.env": "X=1\n", **more}
    put_files(tmp_path, files)
    result = take_over([tmp_path / "compose.yaml"], tmp_path, {})
    rows = {row.key: row for row in result.report.rows}
    assert rows["services.cache.env_file"].verdict is Verdict.NEEDS_YOU
    assert "`cat other.env >> .env`" in rows["services.cache.env_file"].text
    assert not any(key.startswith("${") for key in rows)


def test_a_variable_has_one_row(tmp_path: Path) -> None:
    """A password that was made up is not said to be empty, too."""
    text = "service: a\nimage: me/a\nservers: [192.0.2.1]\nregistry: {username: me, password: [P]}\n"
    text += "env: {secret: [DB_PASSWORD]}\n"
    text += "accessories: {db: {image: 'postgres:16', env: {secret: ['POSTGRES_PASSWORD:DB_PASSWORD']}}}\n"
    put_files(tmp_path, {"config/deploy.yml": text, "Dockerfile": "FROM scratch\n"})
    result = take_over([tmp_path / "config/deploy.yml"], tmp_path, {})
    assert [row.verdict for row in result.report.rows if row.key == "${DB_PASSWORD}"] == [Verdict.CHANGED]
