"""Kamal's secrets and names without a value here: none is deployed empty, or made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.errors import ConfigError
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import words
from tests.unit.onboarding.takeover.kamal.test_kamal_erb import loaded
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "service: shop\nimage: acme/shop\nservers: [192.0.2.1]\n"
DATABASE = f"{HEAD}accessories:\n  db: {{image: postgres:16, host: 192.0.2.1, env: {{secret: [POSTGRES_PASSWORD]}}}}\n"


def test_a_deploy_refuses_a_secret_that_is_not_set(tmp_path: Path) -> None:
    """It was live with an empty DATABASE_URL; the file is valid before the value is there."""
    text = f"{HEAD}env: {{secret: [DATABASE_URL]}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert [secret.name for secret in project.secrets] == ["DATABASE_URL"]
    assert verdicts(report)["${DATABASE_URL}"] is Verdict.NEEDS_YOU
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        loaded(tmp_path)
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://x\n")
    assert loaded(tmp_path).services[0].env["DATABASE_URL"] == "postgres://x"


@pytest.mark.parametrize(
    "value",
    [
        "$(kamal secrets extract P $(kamal secrets fetch -a bitwarden P))",
        "$(kamal secrets print $x)",
        "$PG_PW",
        "$POSTGRES_PASSWORD",
    ],
)
def test_no_password_is_made_up_where_kamal_has_its_source(tmp_path: Path, value: str) -> None:
    """The database has its own already; one row says what to do."""
    files = {"config/deploy.yml": DATABASE, ".kamal/secrets": f"POSTGRES_PASSWORD={value}\n"}
    _, report = taken(tmp_path, "config/deploy.yml", files)
    found = {key: verdict for key, verdict in verdicts(report).items() if "POSTGRES_PASSWORD" in key}
    assert found == {".kamal/secrets: POSTGRES_PASSWORD": Verdict.NEEDS_YOU}
    assert not (tmp_path / ".env").exists()
    with pytest.raises(ConfigError, match="POSTGRES_PASSWORD"):
        loaded(tmp_path)


@pytest.mark.parametrize("code", ['ENV.fetch("APP", "shop")', 'ENV["APP"] || "shop"'])
def test_the_default_of_a_computed_name_is_the_projects(tmp_path: Path, code: str) -> None:
    """It was app-shop, without a word."""
    text = HEAD.replace("service: shop", f"service: <%= {code} %>")
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert project.name == "shop"
    assert words(report, "service") == "project.name: shop"


@pytest.mark.parametrize("code", ['ENV["APP"]', "App.name"])
def test_a_name_without_a_value_is_a_thing_to_do(tmp_path: Path, code: str) -> None:
    """The row has the name that was chosen."""
    text = HEAD.replace("service: shop", f"service: <%= {code} %>-shop")
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert project.name == "shop"
    assert verdicts(report)["service"] is Verdict.NEEDS_YOU
    assert words(report, "service").startswith("project.name is shop, ")


def test_a_computed_volume_is_not_the_same_data(tmp_path: Path) -> None:
    """FTL's volume of that name begins with the project's; a folder is the same one."""
    text = (
        HEAD + 'volumes: [\'<%= ENV.fetch("V", "data") %>:/data\', \'<%= ENV.fetch("D", "/srv") %>:/srv\']\n'
    )
    _, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert verdicts(report)["volumes[0]"] is Verdict.NEEDS_YOU
    assert verdicts(report)["volumes[1]"] is Verdict.TAKEN


def test_a_database_password_without_a_database_here(tmp_path: Path) -> None:
    """Its server is another one: the app was deployed with an empty POSTGRES_PASSWORD."""
    text = f"{HEAD}env: {{secret: [POSTGRES_PASSWORD]}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert [secret.name for secret in project.secrets] == ["POSTGRES_PASSWORD"]
    assert verdicts(report)["${POSTGRES_PASSWORD}"] is Verdict.NEEDS_YOU
    assert not (tmp_path / ".env").exists()


def test_a_made_up_password_is_asked_for_where_env_is_not(tmp_path: Path) -> None:
    """Another machine has no .env: its deploy gave the database an empty password."""
    taken(tmp_path, "deploy.yml", {"deploy.yml": DATABASE})
    assert "POSTGRES_PASSWORD=" in (tmp_path / ".env").read_text()
    assert loaded(tmp_path).dependencies[0].env["POSTGRES_PASSWORD"]
    (tmp_path / ".env").unlink()
    with pytest.raises(ConfigError, match="POSTGRES_PASSWORD"):
        loaded(tmp_path)
