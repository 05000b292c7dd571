"""Rows of `ftl init --from`: one for each value that is changed, and what it must mean."""

# ruff: noqa: E501 -- Compose files, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words
from tests.unit.onboarding.takeover.test_others import taken as taken_other

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("variables", ["[A, B=]", "{A: , B: ''}"])
def test_a_variable_without_a_value_is_passed_on_where_it_is_set(tmp_path: Path, variables: str) -> None:
    """An empty one is another thing: `int("")` ends an app that takes a missing one."""
    text = f"services: {{web: {{image: x, environment: {variables}}}}}"
    assert service(taken(tmp_path / "a", text)[0]).env == {"B": ""}
    assert service(taken(tmp_path / "b", text, environment={"A": "1"})[0]).env == {"A": "1", "B": ""}


def test_a_value_that_is_no_text_is_named(tmp_path: Path) -> None:
    """A list was written as an empty text, and told to be taken over."""
    project, report = taken(tmp_path, "services: {web: {image: x, environment: {A: [1, 2], B: b}}}")
    assert service(project).env == {"B": "b"}
    assert verdicts(report)["services.web.environment: A"] is Verdict.NEEDS_YOU


def test_variables_of_nginx_proxy_are_routes(tmp_path: Path) -> None:
    """Their row said `env`, in which they are not."""
    text = "services: {web: {image: x, expose: [80], environment: {VIRTUAL_HOST: a.example.com}}}"
    project, report = taken(tmp_path, text)
    assert service(project).env == {}
    assert words(report, "services.web.environment: VIRTUAL_HOST").startswith("routes")
    assert "services.web.environment" not in verdicts(report)


def test_options_of_a_bound_folder_are_named(tmp_path: Path) -> None:
    """As those of volumes are."""
    _, report = taken(tmp_path, "services: {web: {image: x, volumes: ['/proc:/p:ro,rslave']}}")
    assert "without rslave" in words(report, "services.web.volumes[0]")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("", (1, 5, 30, 0)),
        ("start_period: 90s", (1, 5, 30, 90)),
        ("interval: 30s, timeout: 10s, retries: 5", (1, 10, 150, 0)),
        ("interval: 1m30s", (1, 5, 270, 0)),
        ("retries: 4", (1, 5, 120, 0)),
        ("interval: 5s, retries: 3, start_period: 0s", (1, 5, 30, 0)),
        ("interval: odd, retries: '$N'", (1, 5, 90, 0)),
    ],
)
def test_a_slow_start_has_the_time_of_compose(
    tmp_path: Path, times: str, expected: tuple[float, float, int, float]
) -> None:
    """It failed after 30 seconds: the times were dropped where the test became a path."""
    text = f"services: {{web: {{image: x, expose: [80], healthcheck: {{test: curl http://localhost/up, {times}}}}}}}"
    project, _ = taken(tmp_path, text)
    check = service(project).health_check
    assert check is not None
    assert (check.interval, check.timeout, check.retries, check.start_period) == expected


def test_the_start_command_of_fly_is_ours(tmp_path: Path) -> None:
    """`experimental` has it; what a process says is over it."""
    text = "[experimental]\ncmd = ['serve', '$A']\nentrypoint = '/in'\nother = true\n[http_service]\ninternal_port = 80\nmin_machines_running = 0\n"
    project, report = taken_other(tmp_path, "fly.toml", {"fly.toml": text})
    web = project.services[0]
    assert (web.command, web.entrypoint) == (("serve", "$A"), ("/in",))
    found = verdicts(report)
    assert (found["experimental.cmd"], found["experimental.other"]) == (Verdict.CHANGED, Verdict.LEFT_OUT)
    assert found["http_service.min_machines_running"] is Verdict.LEFT_OUT


def test_an_app_json_alone_has_one_service(tmp_path: Path) -> None:
    """No row speaks of a Procfile that is not there; each key of checks and formation has one."""
    app = '{"formation": {"web": {"quantity": 2, "size": "x"}}, "healthchecks": {"web": [{"path": "/ok", "port": 81, "content": "y"}]}}'
    _, report = taken_other(tmp_path, "app.json", {"app.json": app})
    found = verdicts(report)
    assert not [key for key in found if key.startswith("Procfile")]
    assert (found["healthchecks.web[0].port"], found["healthchecks.web[0].content"]) == (
        Verdict.NEEDS_YOU,
        Verdict.NEEDS_YOU,
    )
    assert found["formation.web"] is Verdict.CHANGED


def test_variables_of_an_included_file_have_its_values(tmp_path: Path) -> None:
    """Of its `env_file`, or of .env in its folder; those of the project are over them, and others stay."""
    inner = 'services: {cache: {image: "redis:${REDIS_V}", environment: {A: "$A-${B:-b}-$$C"}}}'
    more = {"infra/compose.yaml": inner, "infra/.env": "REDIS_V=7\nA=inner$\n", "infra/v.env": "REDIS_V=6\n"}
    text = "include: [infra/compose.yaml]\nservices: {web: {image: x}}"
    project, report = taken(tmp_path / "a", text, more=more, environment={"B": "outer"})
    (cache,) = project.dependencies
    assert (cache.image, cache.env["A"]) == ("redis:7", "inner$-outer-$C")
    named = "include: [{path: infra/compose.yaml, env_file: infra/v.env}]\nservices: {web: {image: x}}"
    project, report = taken(tmp_path / "b", named, more=more)
    assert project.dependencies[0].image == "redis:6"
    assert "${A}" in verdicts(report)
    project, _ = taken(tmp_path / "c", text, more=more, environment={"REDIS_V": "8"})
    assert project.dependencies[0].image == "redis:8"


def test_a_folder_of_windows_is_no_volume(tmp_path: Path) -> None:
    """Its drive's letter looks like a name."""
    project, report = taken(tmp_path, r"services: {web: {image: x, volumes: ['C:\data:/data']}}")
    assert service(project).volumes == ()
    assert verdicts(report)["services.web.volumes[0]"] is Verdict.NEEDS_YOU


def test_a_missing_env_file_with_an_example_beside(tmp_path: Path) -> None:
    """Repositories have an example in place of the file: the row names it."""
    text = "services: {web: {image: x, env_file: [.env.production, run/gone.env, none.env]}}"
    more = {".env.production.sample": "A=1\n", "run/gone.env.example": "B=1\n"}
    _, report = taken(tmp_path, text, more=more)
    assert [words(report, f"services.web.env_file[{number}]") for number in range(3)] == [
        "there is no file .env.production: `cp .env.production.sample .env.production`, set its values, and "
        "`env_file: .env.production`",
        "there is no file run/gone.env: `cp run/gone.env.example run/gone.env`, set its values, and "
        "`env_file: run/gone.env`",
        "there is no file none.env: write it, and `env_file: none.env`",
    ]


def test_a_missing_env_file_of_a_dependency(tmp_path: Path) -> None:
    """A dependency has no `env_file`: the row must not ask for one."""
    _, report = taken(tmp_path, "services: {web: {image: x}, db: {image: 'postgres:16', env_file: none.env}}")
    assert words(report, "services.db.env_file") == (
        "there is no file none.env: write it, and its variables in `env`, as `NAME: ${NAME}`"
    )
