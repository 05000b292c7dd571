"""Notes on variables of .env files that are not what `secrets` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.notes import shadow_notes, unset_secret_notes
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables, variables_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("source", "environment", "has_note"),
    [
        ("{command: 'bin/vault ${FTL_ENV:-production}/db'}", {}, True),
        ("{file: key}", {}, True),
        ("{env: OTHER}", {}, True),
        ("{env: DB}", {}, False),
        ("{}", {}, False),
        ("{command: echo}", {"DB": "1"}, False),
        ("{command: [sh, -c, 'echo $$DB | base64 -d']}", {}, False),
        ("{command: \"sh -c 'echo $${DB}'\"}", {}, False),
        ("{command: 'echo ${DB}'}", {}, False),
        ("{command: 'echo $$DB_2'}", {}, True),
    ],
)
def test_a_variable_with_another_source(
    tmp_path: Path, source: str, environment: dict[str, str], has_note: bool
) -> None:
    """A line of .env.staging has a note where `secrets` takes the value from elsewhere."""
    text = "project: {name: a, domain: a.example.com}\nservices: [{name: w, image: x}]\n"
    text += f"secrets: {{DB: {source}}}\n"
    (tmp_path / "ftl.yaml").write_text(text)
    (tmp_path / "ftl.staging.yaml").write_text("")
    (tmp_path / ".env.staging").write_text("# of staging\nDB=1\n")
    variables = variables_of(tmp_path, environment, name="staging", overlay="staging")
    project = load(ProjectFiles(tmp_path / "ftl.yaml", variables, "staging"), fetch=None)
    notes = shadow_notes(project, variables)
    assert bool(notes) is has_note
    for note in notes:
        assert ".env.staging:2: DB is not what `secrets` takes" in note
        assert note.endswith("`DB: {env: DB}` below `secrets` in ftl.staging.yaml")


def test_a_line_of_all_environments_is_not_offered_as_the_source(tmp_path: Path) -> None:
    """It would be in the place of the command everywhere."""
    (tmp_path / "ftl.yaml").write_text(
        "project: {name: a, domain: a.b}\nservices: [{name: w, image: x}]\nsecrets: {DB: {command: echo}}\n"
    )
    (tmp_path / "ftl.staging.yaml").write_text("")
    (tmp_path / ".env").write_text("DB=1\n")
    variables = variables_of(tmp_path, {}, name="staging", overlay="staging")
    project = load(ProjectFiles(tmp_path / "ftl.yaml", variables, "staging"), fetch=None)
    (note,) = shadow_notes(project, variables)
    assert note.endswith("remove the line")


@pytest.mark.parametrize("environment", ["", "staging"])
def test_one_command_for_all_environments(tmp_path: Path, environment: str) -> None:
    """The name of the environment may be a part of a secret's command."""
    text = "project: {name: a, domain: a.example.com}\nservices: [{name: w, image: x, secrets: [DB]}]\n"
    text += 'secrets: {DB: {command: "echo ${FTL_ENV:-production}/postgres"}}\n'
    (tmp_path / "ftl.yaml").write_text(text)
    (tmp_path / "ftl.staging.yaml").write_text("")
    variables = variables_of(tmp_path, {}, name=environment, overlay=environment)
    project = load(ProjectFiles(tmp_path / "ftl.yaml", variables, environment))
    assert project.secret_values["DB"] == f"{environment or 'production'}/postgres"


def test_a_secret_that_is_not_set_has_a_note(tmp_path: Path) -> None:
    """The file was called valid, and the next command refused it."""
    text = "project: {name: x, domain: a.io}\nsecrets: {KEY: {env: KEY}, OTHER: {env: OTHER}}\n"
    text += "services: [{name: web, image: x, port: 80, secrets: [KEY]}]\n"
    (tmp_path / "ftl.yaml").write_text(text)

    def notes(**environ: str) -> tuple[str, ...]:
        variables = read_variables(tmp_path, environ)
        return unset_secret_notes(load(ProjectFiles(tmp_path / "ftl.yaml", variables), fetch=None), variables)

    (note,) = notes()
    assert "KEY is not set here" in note
    assert notes(KEY="a") == ()
