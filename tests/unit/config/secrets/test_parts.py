"""Secrets of a part: a deploy of some services fetches what these use, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.read.parts import BUILDS, Fetch, secrets_of
from ftl.config.variables.interpolation import MASK
from ftl.config.variables.sources import read_variables
from ftl.errors import ConfigError
from tests.unit.config.conftest import HEAD, written

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project

NAMES = (
    "WEB", "WEB_FILE", "WEB_JOB", "WEB_HOOK", "WEB_ENV", "API", "API_JOB", "POSTGRES_PASSWORD", "MAIL", "MAIL_BUILD",
    "REGISTRY", "HOOK", "BASE",
)  # fmt: skip
SECRETS = "".join(
    f"  {name}: {{command: [sh, -c, 'echo {name.lower()} | tee called.{name}']}}\n" for name in NAMES
)
TEXT = f"""{HEAD}secrets:
{SECRETS}
registries: [{{server: a.example, username: me, password: '${{REGISTRY}}'}}]
notify: ['https://hooks.example.com/${{HOOK}}']
services:
  - name: ${{APP:-web}}
    build: .
    env: {{A: '${{WEB}}'}}
    env_file: web.env
    secrets: [{{name: WEB_FILE, file: /run/secrets/it}}]
    hooks: {{pre: 'migrate ${{WEB_HOOK}}'}}
  - name: api
    build: .
    env: {{A: '${{API}}', B: '${{WEB}}'}}
dependencies:
  - postgres:16
  - name: mail
    build: {{args: {{A: '${{MAIL_BUILD}}'}}}}
    env: {{A: '${{MAIL}}'}}
jobs:
  - {{name: nightly, service: web, command: 'clean ${{WEB_JOB}}', schedule: '0 3 * * *'}}
  - {{name: hourly, service: api, command: 'clean ${{API_JOB}}', schedule: '0 * * * *'}}
"""
OF_WEB = {"WEB", "WEB_FILE", "WEB_JOB", "WEB_HOOK", "WEB_ENV", "MAIL_BUILD", "REGISTRY", "HOOK"}


def read(folder: Path, text: str, fetch: Fetch, known: dict[str, str] | None = None) -> Project:
    """Load a text, and fetch some of its secrets."""
    (folder / "web.env").write_text("KEY=${WEB_ENV}\n")
    variables = read_variables(folder, {"PATH": "/usr/bin:/bin"})
    return load(ProjectFiles(written(folder, text), variables), fetch=fetch, known=known)


def called(folder: Path) -> set[str]:
    """The secrets whose commands were called."""
    return {path.suffix.removeprefix(".") for path in folder.glob("called.*")}


def test_a_part_fetches_what_its_services_use_and_what_every_deploy_does(folder: Path) -> None:
    """Their env, files, hooks and jobs, the builds of dependencies, registries and webhooks; of no other service."""
    project = read(folder, TEXT, secrets_of(["web"]))
    assert called(folder) == OF_WEB
    assert set(project.secret_values) == OF_WEB
    assert project.unfetched == {"api", "postgres", "mail", "hourly"}
    web, api = project.services
    assert (web.env["A"], web.env["KEY"], api.env["A"]) == ("web", "web_env", MASK)


def test_a_whole_deploy_fetches_all_that_are_used(folder: Path) -> None:
    """As ever."""
    project = read(folder, TEXT, secrets_of([]))
    assert called(folder) == {*NAMES} - {"BASE"}
    assert project.unfetched == frozenset()


def test_what_a_dependency_uses_is_fetched_with_it_and_nothing_twice(folder: Path) -> None:
    """It has to be created: the values that are there already are not asked for again."""
    first = read(folder, TEXT, secrets_of(["web"]))
    for path in folder.glob("called.*"):
        path.unlink()
    known = {**first.secret_values}
    project = read(folder, TEXT, secrets_of(["web", "postgres"]), known)
    assert called(folder) == {"POSTGRES_PASSWORD"}
    assert project.unfetched == {"api", "mail", "hourly"}
    assert project.dependencies[0].env["POSTGRES_PASSWORD"] == "postgres_password"
    assert project.secret_values == {**known, "POSTGRES_PASSWORD": "postgres_password"}


def test_a_secret_that_fails_stops_only_who_uses_it(folder: Path) -> None:
    """The vault of another team is out of reach."""
    text = TEXT.replace("echo api |", "exit 7 |")
    assert read(folder, text, secrets_of(["web"])).secret_values.keys() == OF_WEB
    with pytest.raises(ConfigError) as caught:
        read(folder, text, secrets_of(["api"]))
    assert [problem.message.partition(":")[0] for problem in caught.value.problems] == ["the secret API"]


@pytest.mark.parametrize("hooks", ["{pre: {local: ./notify}}", "{pre: ./notify}"])
def test_a_hook_that_runs_here_sees_the_whole_env_file(folder: Path, hooks: str) -> None:
    """Also the lines that nothing else uses."""
    (folder / ".env").write_text("TOKEN=x-${BASE}\n")
    text = TEXT.replace("{pre: 'migrate ${WEB_HOOK}'}", hooks)
    read(folder, text, secrets_of(["web"]))
    assert ("BASE" in called(folder)) is ("local" in hooks)


def test_a_build_of_a_part_fetches_what_that_build_uses(folder: Path) -> None:
    """And what registries do."""
    read(folder, TEXT, Fetch(BUILDS, frozenset({"web"})))
    assert called(folder) == {"REGISTRY"}
    read(folder, TEXT, Fetch(BUILDS, frozenset({"mail"})))
    assert called(folder) == {"REGISTRY", "MAIL_BUILD"}


def test_a_block_for_aliases_counts_where_it_is_used(folder: Path) -> None:
    """Its anchors are expanded in the services that name them; by itself it is of no service."""
    text = TEXT.replace("services:\n", "x-mail: &mail {B: '${MAIL}'}\nservices:\n")
    assert read(folder, text, secrets_of(["web"])).secret_values.keys() == OF_WEB
    used = text.replace("env: {A: '${WEB}'}", "env: {<<: *mail, A: '${WEB}'}")
    assert read(folder, used, secrets_of(["web"])).secret_values.keys() == {*OF_WEB, "MAIL"}
