"""Places of problems: the file and line that a wrong value comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.dump import origins
from ftl.config.loading import load, load_address
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import env_files, read_variables
from ftl.errors import ConfigError

from .conftest import HEAD, SERVICE, Load, Refuse, written

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.errors import Problem

BASE = HEAD + SERVICE


def places(problems: tuple[Problem, ...]) -> list[tuple[str, int]]:
    """File and line of each problem."""
    return [(problem.file, problem.line) for problem in problems]


def test_a_wrong_value_from_env_is_reported_in_env(folder: Path, refused: Refuse) -> None:
    """The place is the variable's line; the message shows the expression, not the value, and the hint its use."""
    (folder / ".env").write_text("# ports\nPORT=hunter2\n")
    (problem,) = refused(BASE.replace("8000", "${PORT}"))
    assert places((problem,)) == [(".env", 2)]
    assert "`${PORT}`" in problem.message
    assert problem.hint == "the value is used at ftl.yaml:8"
    assert "hunter2" not in str(problem)


def test_a_wrong_value_from_the_environment_is_reported_at_its_use(refused: Refuse) -> None:
    """The environment has no lines; the hint names the variable."""
    (problem,) = refused(BASE.replace("8000", "${PORT}"), PORT="hunter2")
    assert places((problem,)) == [("ftl.yaml", 8)]
    assert problem.hint == "its value comes from the variable PORT (the environment)"


def test_a_value_of_several_parts_is_reported_at_its_use(folder: Path, refused: Refuse) -> None:
    """No single place has such a value; the hint names where each variable comes from."""
    (folder / ".env").write_text("A=1\n")
    (problem,) = refused(BASE.replace("8000", "${A}x${B}"), B="2")
    assert places((problem,)) == [("ftl.yaml", 8)]
    assert problem.hint == "its value comes from the variables A (.env:1) and B (the environment)"


def test_checks_of_several_values_know_the_files_too(folder: Path, refused: Refuse) -> None:
    """A duplicate name is reported where it was set, and names the place of the first one with its file."""
    (folder / ".env").write_text("OTHER=web\n")
    (problem,) = refused(BASE + "dependencies: [{name: '${OTHER}', image: redis}]\n")
    assert places((problem,)) == [(".env", 1)]
    assert "the service at ftl.yaml:6" in problem.message
    assert problem.hint == "give one of them another name; the value is used at ftl.yaml:11"


def test_a_wrong_value_of_an_overlay_is_reported_in_the_overlay(folder: Path) -> None:
    """Each value of a merged configuration keeps its file, with the line as it is written there."""
    path = written(folder, BASE)
    (folder / "ftl.production.yaml").write_text(
        "services:\n  - name: web\n    port: none\n    replicas: 3\nproject: {email: nobody}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(ProjectFiles(path, read_variables(folder, {}), "production"))
    assert places(caught.value.problems) == [("ftl.production.yaml", 3), ("ftl.production.yaml", 5)]
    assert caught.value.problems[0].source == "    port: none"


def test_an_overlay_changes_what_it_names_alone(folder: Path) -> None:
    """The project is that of both files, and its locations tell which value is of which."""
    path = written(folder, BASE)
    (folder / "ftl.production.yaml").write_text("services:\n  - name: web\n    replicas: 3\n")
    project = load(ProjectFiles(path, read_variables(folder, {}), "production"))
    assert (project.services[0].port, project.services[0].replicas) == (8000, 3)
    assert project.locations.nearest("services", 0, "port").file.name == "ftl.yaml"
    assert project.locations.nearest("services", 0, "replicas").file.name == "ftl.production.yaml"


def staging(folder: Path, overlay: str) -> Project:
    """The project in the environment `staging` with this overlay."""
    path = written(folder, BASE)
    (folder / "ftl.staging.yaml").write_text(overlay)
    return load(ProjectFiles(path, read_variables(folder, {}), "staging"))


@pytest.mark.parametrize(
    ("overlay", "message", "hint"),
    [
        (
            "services: {worker: null}",
            "service: there is no service worker",
            "ftl.staging.yaml:1 removes worker: keep it there, or change the job tidy there, too",
        ),
        (
            "dependencies: {db: null}",
            "dependency: there is no dependency db",
            "ftl.staging.yaml:1 removes db: keep it there, or change `backups` there, too",
        ),
    ],
)
def test_what_an_overlay_removes_is_named_where_something_needs_it(
    folder: Path, overlay: str, message: str, hint: str
) -> None:
    """The mistake is in the overlay, whatever file has the line that misses it."""
    (folder / "ftl.yaml").write_text(
        "project: {name: shop}\nserver: a.test\nservices: [{name: web, image: web}, {name: worker, image: web}]\n"
        "dependencies:\n  - {name: db, image: 'postgres:16'}\n"
        "jobs: [{name: tidy, service: worker, schedule: '0 3 * * *', command: tidy}]\n"
        "backups: [{dependency: db, schedule: '0 3 * * *'}]\n"
    )
    (folder / "ftl.staging.yaml").write_text(f"{overlay}\n")
    with pytest.raises(ConfigError) as caught:
        load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {}), "staging"))
    (problem,) = caught.value.problems
    assert (problem.message, (problem.hint or "").rpartition("/")[2]) == (message, hint)


def test_services_that_cannot_be_read_are_one_problem(folder: Path) -> None:
    """A job of a service misses nothing where `services` itself is wrong."""
    (folder / "ftl.yaml").write_text(
        "project: {name: shop}\nserver: a.test\nservices: [{name: web, image: web}]\n"
        "jobs: [{name: tidy, service: web, schedule: '0 3 * * *', command: tidy}]\n"
    )
    (folder / "ftl.staging.yaml").write_text("services: web\n")
    with pytest.raises(ConfigError) as caught:
        load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {}), "staging"))
    assert len(caught.value.problems) == 1
    assert "must be a list" in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("overlay", "name"),
    [("", "shop-staging"), ("# nothing\n", "shop-staging"), ("project: {name: shop-next}\n", "shop-next")],
)
def test_an_environment_is_a_project_of_its_own(folder: Path, overlay: str, name: str) -> None:
    """Its name ends with the environment's unless the overlay has another."""
    project = staging(folder, overlay)
    assert (project.name, project.environment) == (name, "staging")


@pytest.mark.parametrize(
    ("overlay", "line", "message", "hint"),
    [
        ("services:\n  - {name: wbe, replicas: 2}\n", 2, "has no service `wbe`", "did you mean `web`?"),
        ("services:\n  wbe: null\n", 2, "has no service `wbe`", "did you mean `web`?"),
        (
            "services:\n\n  mail: {port: 1}\n",
            3,
            "has no service `mail`",
            "a new service needs image or build",
        ),
    ],
)
def test_a_change_of_a_service_that_does_not_exist_is_a_mistake(
    folder: Path, overlay: str, line: int, message: str, hint: str
) -> None:
    """A misspelt name does not add a service built from the folder."""
    with pytest.raises(ConfigError) as caught:
        staging(folder, overlay)
    first = caught.value.problems[0]
    assert (first.file, first.line, first.hint) == ("ftl.staging.yaml", line, hint)
    assert message in first.message


def test_an_overlay_may_add_a_service(folder: Path) -> None:
    """A new one has its image or build."""
    project = staging(folder, "services:\n  - {name: mail, image: mailpit:1}\n")
    assert [service.name for service in project.services] == ["web", "mail"]


def test_the_origin_of_each_value_is_known(folder: Path) -> None:
    """A merged item keeps the places of its file, and a variable that of its env file."""
    (folder / ".env").write_text("A=1\nTOKEN=x\n")
    (folder / ".env.staging").write_text("\nTOKEN=y\n")
    path = written(folder, BASE + "    env: {TOKEN: '${TOKEN}'}\n")
    (folder / "ftl.staging.yaml").write_text("services:\n  - name: web\n    replicas: 3\n")
    variables = read_variables(folder, {}, env_files("staging"))
    project = load(ProjectFiles(path, variables, "staging"))
    places = origins(project)
    assert project.services[0].env == {"TOKEN": "y"}
    assert places["services.0.name"].startswith("ftl.yaml:")
    assert places["services.0.replicas"] == "ftl.staging.yaml:3"
    assert places["services.0.env.TOKEN"] == ".env.staging:2"


def test_values_of_env_know_their_files(folder: Path, loaded: Load) -> None:
    """A value of env has the place of its env file, of .env, or of ftl.yaml."""
    (folder / ".env").write_text("TOKEN=x\n")
    (folder / "web.env").write_text("A=1\nB=1\n")
    env = "    env_file: web.env\n    env:\n      B: 2\n      C: ${TOKEN}\n"
    locations = loaded(BASE + env).locations
    found = {name: locations.nearest("services", 0, "env", name) for name in "ABC"}
    assert {name: (location.file.name, location.line) for name, location in found.items()} == {
        "A": ("web.env", 1),
        "B": ("ftl.yaml", 13),
        "C": (".env", 1),
    }


def test_a_variable_that_is_not_set_is_one_problem_with_all_its_places(refused: Refuse) -> None:
    """Used at three lines, it is reported once, at the first of them."""
    env = "    env:\n      A: ${GONE}\n      B: ${GONE} ${GONE}\n    command: run ${GONE:?needed}\n"
    (problem,) = refused(BASE + env)
    assert places((problem,)) == [("ftl.yaml", 12)]
    assert problem.message == "the variable GONE is not set; also used at line 13 and line 14"


def test_a_presets_password_is_the_same_problem(refused: Refuse) -> None:
    """The database and the service that connects to it need one variable: one problem."""
    env = "    env: {URL: 'postgres://postgres:${POSTGRES_PASSWORD}@postgres'}\n"
    (problem,) = refused(BASE + env + "dependencies: [postgres:16]\n")
    assert places((problem,)) == [("ftl.yaml", 11)]
    assert "POSTGRES_PASSWORD" in problem.message
    assert problem.message.endswith("also used at line 12")


@pytest.mark.parametrize(
    ("secret", "line"),
    [
        ("secrets: [TOKEN]", 8),
        ("secrets: ['id=x,env=TOKEN']", 8),
        ("secrets: [{id: TOKEN}]", 8),
        ("secrets: [{id: x, env: TOKEN}]", 8),
    ],
)
def test_a_build_secret_needs_its_variable(secret: str, line: int, refused: Refuse, loaded: Load) -> None:
    """It is found before a build starts, with the name that was probably meant."""
    text = BASE.replace("    build: .\n", f"    build:\n      {secret}\n")
    (problem,) = refused(text, TOKENS="x")
    assert places((problem,)) == [("ftl.yaml", line)]
    assert "the variable TOKEN is not set" in problem.message
    assert (problem.hint or "").startswith("did you mean `TOKENS`?")
    assert loaded(text, TOKEN="")


def test_an_example_of_env_is_named(folder: Path, refused: Refuse) -> None:
    """A fresh clone has .env.example only: the hint is to copy it."""
    (folder / ".env.example").write_text("TOKEN=\n")
    (problem,) = refused(BASE + "    env: {TOKEN: '${TOKEN}'}\n")
    assert "copy .env.example to .env" in (problem.hint or "")


def test_short_forms_of_both_files_keep_their_places(folder: Path) -> None:
    """A single value that the overlay adds to is still of its line, and a wrong one is reported there."""
    path = written(folder, BASE + "    health_check: up\n    env: [A=1, B=2]\ndependencies: [redis:7]\n")
    (folder / "ftl.staging.yaml").write_text(
        "services:\n- name: web\n  health_check:\n    timeout: 9s\n  env:\n    B: 3\ndependencies:\n"
        "- name: redis\n  ports: [x]\n"
    )
    variables = read_variables(folder, {})
    with pytest.raises(ConfigError) as caught:
        load(ProjectFiles(path, variables, "staging"))
    assert places(caught.value.problems) == [("ftl.yaml", 11), ("ftl.staging.yaml", 9)]
    written(folder, path.read_text().replace("check: up", "check: /up"))
    overlay = folder / "ftl.staging.yaml"
    overlay.write_text(overlay.read_text().replace("[x]", "[1]"))
    found = origins(load(ProjectFiles(path, variables, "staging")))
    keys = ("health_check.path", "health_check.timeout", "env.A", "env.B")
    assert [found[f"services.0.{key}"] for key in keys] == [
        "ftl.yaml:11",
        "ftl.staging.yaml:4",
        "ftl.yaml:12",
        "ftl.staging.yaml:6",
    ]
    assert (found["dependencies.0.image"], found["dependencies.0.ports.0"]) == (
        "ftl.yaml:13",
        "ftl.staging.yaml:9",
    )


def test_a_rollback_needs_no_more_than_the_address(folder: Path) -> None:
    """What is wrong with the rest of an overlay does not stop it."""
    path = written(folder, BASE + "    env: ['${NONE}']\ndependencies: ['${NONE}']\n")
    (folder / "ftl.staging.yaml").write_text("server: staging\nservices: {wbe: null, web: {env: {A: 1}}}\n")
    project = load_address(ProjectFiles(path, read_variables(folder, {}), "staging"))
    assert (project.name, project.server.host) == ("shop-staging", "staging")
