"""`ftl init --from` with destinations of Kamal: environments, their lists and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.read.parts import ALL_SECRETS, Fetch
from ftl.config.variables.sources import read_variables, variables_of
from ftl.errors import ConfigError, UsageError
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.takeover.kamal.test_kamal import HEAD, words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project

FILES = {
    "config/deploy.yml": HEAD + "servers: [192.0.2.1]\nenv: {secret: [DB, KEY, SHARED]}\n",
    "config/deploy.staging.yml": "servers: [192.0.2.2]\n",
    ".kamal/secrets-common": "SHARED=$(echo common)\n",
    ".kamal/secrets": "DB=$(echo production)\nKEY=$(cat key)\n",
    "key": "abc",
}


def staging(folder: Path, *, fetch: Fetch | None = ALL_SECRETS) -> Project:
    """The project with `-e staging`."""
    variables = variables_of(folder, {}, name="staging", overlay="staging")
    return load(ProjectFiles(folder / "ftl.yaml", variables, "staging"), fetch=fetch)


def test_secrets_of_a_destination_are_those_of_the_environment(tmp_path: Path) -> None:
    """A command of a destination is the secret's source there; what all have is not written again."""
    own = {".kamal/secrets.staging": "DB=$(echo staging)\nKEY=$(cat key)\n"}
    _, report = taken(tmp_path, "config/deploy.yml", {**FILES, **own})
    project = staging(tmp_path)
    assert project.secret_values == {"DB": "staging", "KEY": "abc", "SHARED": "common"}
    overlay = (tmp_path / "ftl.staging.yaml").read_text()
    assert "command: echo staging" in overlay
    assert "KEY" not in overlay
    assert verdicts(report)[".kamal/secrets.staging: DB"] is Verdict.CHANGED
    assert words(report, ".kamal/secrets.staging: DB") == "secrets.DB of ftl.staging.yaml"
    assert words(report, ".kamal/secrets.staging: KEY") == "the same as secrets.KEY of ftl.yaml: inherited"


def test_a_value_of_a_destination_is_in_its_env_file(tmp_path: Path) -> None:
    """What has to be copied to .env.staging has an effect there, and is a TO DO until then."""
    own = {".kamal/secrets.staging": "DB=plain\nKEY=$(cat key)\n"}
    _, report = taken(tmp_path, "config/deploy.yml", {**FILES, **own})
    row = ".kamal/secrets.staging: DB"
    assert verdicts(report)[row] is Verdict.NEEDS_YOU
    assert f"# TO DO {row}: copy the line to .env.staging" in (tmp_path / "ftl.staging.yaml").read_text()
    (tmp_path / ".env.staging").write_text("DB=plain\n")
    assert staging(tmp_path).secret_values["DB"] == "plain"


def test_a_value_is_copied_in_the_words_of_env_files(tmp_path: Path) -> None:
    """A plain one stays out of ftl.yaml; the host of an accessory is the name of the dependency, also in staging."""
    values = "DB=postgres://u:hunter2@shop-db:5432/x-shop-db-1\nSHARED='a$KEY'\n"
    accessory = "accessories: {db: {image: postgres:16, host: 192.0.2.1}}\n"
    files = {
        **FILES,
        "config/deploy.yml": FILES["config/deploy.yml"] + accessory,
        ".kamal/secrets": values + "KEY=$(cat key)\n",
        ".kamal/secrets.staging": values + "KEY=$(cat key)\n",
    }
    _, report = taken(tmp_path, "config/deploy.yml", files)
    changes = "`db` in place of `shop-db`; `${DB}` takes it from there"
    assert "hunter2" not in (tmp_path / "ftl.yaml").read_text() + (tmp_path / "ftl.staging.yaml").read_text()
    assert words(report, ".kamal/secrets: DB") == f"copy the line to .env, with {changes}"
    assert words(report, ".kamal/secrets.staging: DB") == f"copy the line to .env.staging, with {changes}"
    assert words(report, ".kamal/secrets: SHARED") == "copy the line to .env; `${SHARED}` takes it from there"
    (tmp_path / ".env.staging").write_text("DB=postgres://u:x@db:5432/x\nSHARED=1\n")
    env = staging(tmp_path).services[0].env
    assert env["DB"] == "postgres://u:x@db:5432/x"


def test_a_destination_has_no_secret_of_none(tmp_path: Path) -> None:
    """A name that is missing in .kamal/secrets.staging never has production's value."""
    own = {".kamal/secrets.staging": "DB=$(echo staging)\n"}
    _, report = taken(tmp_path, "config/deploy.yml", {**FILES, **own})
    assert "KEY:\n    env: KEY\n" in (tmp_path / "ftl.staging.yaml").read_text()
    assert verdicts(report)["deploy.staging.yml: ${KEY}"] is Verdict.NEEDS_YOU


def test_a_destination_without_secrets_of_its_own(tmp_path: Path) -> None:
    """It has the common ones alone: staging never gets the passwords of production."""
    _, report = taken(tmp_path, "config/deploy.yml", FILES)
    overlay = (tmp_path / "ftl.staging.yaml").read_text()
    assert "DB:\n    env: DB\n" in overlay
    assert "KEY:\n    env: KEY\n" in overlay
    assert "SHARED" not in overlay
    with pytest.raises(ConfigError, match="the variable DB is not set"):
        staging(tmp_path)
    (tmp_path / ".env.staging").write_text("DB=1\nKEY=2\n")
    assert staging(tmp_path).secret_values == {"DB": "1", "KEY": "2", "SHARED": "common"}
    assert verdicts(report)[".kamal/secrets.staging: DB"] is Verdict.NEEDS_YOU
    assert "# TO DO .kamal/secrets.staging: DB: Kamal has no value" in overlay


def test_the_image_has_no_secrets_of_kamal(tmp_path: Path) -> None:
    """The folder is in the .dockerignore that is written, and one that lacks it is to be changed."""
    taken(tmp_path, "config/deploy.yml", FILES)
    assert ".kamal" in (tmp_path / ".dockerignore").read_text().splitlines()
    (tmp_path / ".dockerignore").write_text(".git\n.env\nftl.yaml\n")
    _, report = taken(tmp_path, "config/deploy.yml", FILES)
    assert words(report, ".dockerignore") == "add to it, so that they are not in the image: .kamal"


def test_no_value_of_a_secret_is_in_a_file_for_git(tmp_path: Path) -> None:
    """The comment names the variable and the file that has it; its value may have a password."""
    own = {".kamal/secrets.staging": "DB=postgres://app:hunter2@$(cat config/host):5432/shop\n"}
    _, report = taken(tmp_path, "config/deploy.yml", {**FILES, **own})
    overlay = (tmp_path / "ftl.staging.yaml").read_text()
    assert "export DB=...`, as .kamal/secrets.staging has it" in overlay
    assert "hunter2" not in overlay + (tmp_path / "ftl.yaml").read_text()
    assert not [row for row in report.rows if "hunter2" in row.text]


def test_a_destination_with_a_dot(tmp_path: Path) -> None:
    """Its secrets are those of deploy.eu.prod.yml, and not of a destination that is not there."""
    own = {"config/deploy.eu.prod.yml": "servers: [192.0.2.3]\n", ".kamal/secrets.eu.prod": "DB=$(echo eu)\n"}
    _, report = taken(tmp_path, "config/deploy.yml", {**FILES, **own, ".kamal/secrets.a.b": "DB=1\n"})
    assert ".kamal/secrets.prod" not in verdicts(report)
    assert ".kamal/secrets.eu.prod" not in verdicts(report)
    assert "there is no deploy.a.b.yml" in words(report, ".kamal/secrets.a.b")


def test_a_volume_of_a_destination_is_another_one(tmp_path: Path) -> None:
    """Kamal has one name for it in all, FTL that of the project: the data seemed to be lost."""
    volumes = 'volumes: ["shop_storage:/rails/storage", "other:/other", "/srv/x:/x"]\n'
    files = {"config/deploy.yml": FILES["config/deploy.yml"] + volumes}
    _, report = taken(tmp_path, "config/deploy.yml", {**FILES, **files})
    assert verdicts(report)["volumes[0]"] is Verdict.TAKEN
    assert staging(tmp_path, fetch=None).services[0].volumes == (
        "storage:/rails/storage",
        "other:/other",
        "/srv/x:/x",
    )
    row = words(report, "deploy.staging.yml: volumes[0]")
    assert "-v shop_storage:/from -v shop-staging_storage:/to" in row
    assert "-v other:/from -v shop-staging_other:/to" in words(report, "deploy.staging.yml: volumes[1]")
    assert "-v other:/from -v shop_other:/to" in words(report, "volumes[1]")
    assert "deploy.staging.yml: volumes[2]" not in verdicts(report)
    assert f"# TO DO volumes[0]: {row}" in (tmp_path / "ftl.staging.yaml").read_text()


def test_a_destination_has_other_items_of_a_list(tmp_path: Path) -> None:
    """Files and hosts of deploy.yml that it has not are removed."""
    lines = (
        HEAD
        + """
servers: {web: {hosts: [192.0.2.1], options: {add-host: ['a:192.0.2.5', 'a:192.0.2.6', 'b:192.0.2.7']}}}
proxy: {host: shop.example.com}
accessories:
  db: {image: 'postgres:16', host: 192.0.2.1, files: ['a.conf:/etc/a', 'b.conf:/etc/b']}
"""
    )
    staging = """
servers: {web: {hosts: [192.0.2.1], options: {add-host: ['a:192.0.2.5']}}}
accessories: {db: {files: ['c.conf:/etc/a']}}
"""
    files = {"config/deploy.yml": lines, "config/deploy.staging.yml": staging}
    project, _ = taken(tmp_path, "config/deploy.yml", files | {f"{name}.conf": name for name in "abc"})
    other = load(ProjectFiles(tmp_path / "ftl.yaml", read_variables(tmp_path, {}), "staging"), fetch=None)
    assert {file.path: file.content for file in project.dependencies[0].files} == {
        "/etc/a": "a",
        "/etc/b": "b",
    }
    assert {file.path: file.content for file in other.dependencies[0].files} == {"/etc/a": "c"}
    assert len(project.services[0].extra_hosts) == 3
    assert other.services[0].extra_hosts == ("a:192.0.2.5",)


def test_a_destination_becomes_an_environment(tmp_path: Path) -> None:
    """deploy.staging.yml is merged as Kamal does, and what differs is in ftl.staging.yaml."""
    base = (
        HEAD
        + """
servers: {web: [192.0.2.1], jobs: {hosts: [192.0.2.1], cmd: bin/jobs}}
proxy: {host: shop.example.com, ssl: true}
env: {clear: {RAILS_ENV: production, LOG: info}}
"""
    )
    staging = """
servers: {web: [192.0.2.9]}
proxy: {host: staging.example.com}
env: {clear: {RAILS_ENV: staging}}
"""
    files = {"config/deploy.yml": base, "config/deploy.staging.yml": staging, "config/deploy.empty.yml": ""}
    project, report = taken(tmp_path, "config/deploy.yml", files)
    variables = read_variables(tmp_path, {})
    other = load(ProjectFiles(tmp_path / "ftl.yaml", variables, environment="staging"), fetch=None)
    assert (project.project.domain, other.project.domain) == ("shop.example.com", "staging.example.com")
    assert (project.server.host, other.server.host) == ("192.0.2.1", "192.0.2.9")
    assert [item.name for item in other.services] == ["web", "jobs"]
    assert other.services[0].env == {"RAILS_ENV": "staging", "LOG": "info"}
    assert (
        load(ProjectFiles(tmp_path / "ftl.yaml", variables, environment="empty"), fetch=None).server
        == project.server
    )
    assert words(report, "deploy.staging.yml").endswith("`ftl -e staging deploy`")


def test_what_only_destinations_deploy_is_in_their_files(tmp_path: Path) -> None:
    """Kamal refuses a deploy without one: nothing is made up for ftl.yaml alone, or to be copied to it."""
    text = FILES["config/deploy.yml"] + "require_destination: true\nproxy: {host: shop.test, ssl: true}\n"
    text += "accessories: {db: {image: postgres:16, host: 192.0.2.1, directories: ['data:/d'], "
    text += "env: {secret: [POSTGRES_PASSWORD]}}}\n"
    secrets = "DB=$(echo a)\nKEY=$(cat key)\nPOSTGRES_PASSWORD=$DB\n"
    files = {
        **FILES,
        "config/deploy.yml": text,
        "config/deploy.production.yml": "",
        ".kamal/secrets.staging": secrets,
        ".kamal/secrets.production": secrets,
    }
    del files[".kamal/secrets"]
    _, report = taken(tmp_path, "config/deploy.yml", files)
    assert not (tmp_path / ".env").exists()
    assert "domain: shop.example.com" in (tmp_path / "ftl.yaml").read_text()
    assert "domain: shop.test" in (tmp_path / "ftl.production.yaml").read_text()
    assert verdicts(report)["${POSTGRES_PASSWORD}"] is Verdict.CHANGED
    assert "accessories.db.directories" not in verdicts(report)
    row = words(report, "deploy.production.yml: accessories.db.directories")
    assert "-v ~/shop-db/data:/from -v shop-production_db_data:/to" in row
    assert "`-d NAME`" in words(report, "the server")
    result = take_over([tmp_path / "config/deploy.yml"], tmp_path, {})
    assert result.environment == "staging"
    assert staging(tmp_path).dependencies[0].env["POSTGRES_PASSWORD"] == "a"


def test_a_file_without_a_service_names_its_destinations(tmp_path: Path) -> None:
    """It was called a Compose file without services."""
    files = {"config/deploy.yml": "require_destination: true\n", "config/deploy.live.yml": "service: x\n"}
    with pytest.raises(UsageError) as error:
        taken(tmp_path, "config/deploy.yml", files)
    assert "deploy.live.yml" in (error.value.hint or "")
