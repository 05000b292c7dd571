"""Kamal's ERB that is not evaluated: secrets, demanded variables, placeholders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.notes import placeholder_notes
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.errors import ConfigError
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project

HEAD = "service: shop\nimage: acme/shop\nproxy: {host: shop.example.com}\n"


def loaded(folder: Path) -> Project:
    """The project as a deploy reads it: with the values of its secrets."""
    return load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {})))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("`printf abc`.strip", "abc"),
        ("%x(printf abc).chomp", "abc"),
        ("%x{printf 'a b'}", "a b"),
        ("`printf abc | head -c 2`", "ab"),
    ],
)
def test_the_output_of_a_command_is_a_secret(tmp_path: Path, code: str, value: str) -> None:
    """FTL runs it, as Kamal does: with a variable in its place, `ftl validate` failed at once."""
    text = f"{HEAD}servers: [192.0.2.1]\nenv: {{clear: {{RELEASE: <%= {code} %>}}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert verdicts(report)["${RELEASE_OF_KAMAL}"] is Verdict.CHANGED
    assert [secret.name for secret in project.secrets] == ["RELEASE_OF_KAMAL"]
    assert loaded(tmp_path).services[0].env["RELEASE"] == value


@pytest.mark.parametrize("code", ["Release.name", "`git describe #{options}`", "`git tag`[0..6]"])
def test_other_code_is_demanded_by_a_deploy_alone(tmp_path: Path, code: str) -> None:
    """The file is valid before anybody has set the value, and no deploy starts without it."""
    text = f"{HEAD}servers: [192.0.2.1]\nenv: {{clear: {{RELEASE: '<%= {code} %>'}}}}\n"
    _, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert verdicts(report)["${RELEASE_OF_KAMAL}"] is Verdict.NEEDS_YOU
    assert words(report, "${RELEASE_OF_KAMAL}").endswith("(line 5): write its value into .env")
    with pytest.raises(ConfigError, match="RELEASE_OF_KAMAL"):
        loaded(tmp_path)
    (tmp_path / ".env").write_text("RELEASE_OF_KAMAL=abc\n")
    assert loaded(tmp_path).services[0].env["RELEASE"] == "abc"


def test_hosts_have_placeholders(tmp_path: Path) -> None:
    """A text is no host until it is one; what else is below a role is none."""
    servers = "servers: {web: {hosts: [<%= Host.find %>], env: {clear: {host: <%= Other.host %>}}}}\n"
    text = f"service: shop\nimage: acme/shop\nproxy: {{host: <%= Public.host %>, ssl: true}}\n{servers}"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert project.server.host == "hosts-of-kamal.example.com"
    assert project.project.domain == "host-of-kamal.example.com"
    assert (
        len([note for note in placeholder_notes(project) if "-of-kamal.example.com is a placeholder" in note])
        == 2
    )
    assert "write it in place of host-of-kamal.example.com" in words(report, "${HOST_OF_KAMAL}")
    assert [secret.name for secret in project.secrets] == ["LINE_4_HOST_OF_KAMAL"]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('ENV.fetch("N", 2)', "2"),
        ('ENV["N"] || 3', "3"),
        ('ENV.fetch("N") { "a" }', "a"),
        ('ENV["N"].presence || "b"', "b"),
        ('ENV.fetch("N", "4").to_i', "4"),
        ('ENV.fetch("N", true)', "true"),
    ],
)
def test_variables_with_a_default(tmp_path: Path, code: str, value: str) -> None:
    """Numbers and truth values are defaults, too, and a value may be tidied up."""
    text = f"{HEAD}servers: [192.0.2.1]\nenv: {{clear: {{N: '<%= {code} %>'}}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert project.services[0].env["N"] == value
    assert not [row for row in report.rows if "OF_KAMAL" in row.key]


def test_a_computed_folder_is_split_behind_its_variable(tmp_path: Path) -> None:
    """The colon of `${NAME:?}` is not the one between a folder and its place."""
    text = f"{HEAD}servers: [192.0.2.1]\naccessories:\n  db:\n    image: postgres:16\n    host: 192.0.2.1\n"
    text += "    directories: ['<%= `echo data` %>:/var/lib/postgresql/data']\n"
    taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    written = (tmp_path / "ftl.yaml").read_text()
    assert "db_directories_of_kamal:/var/lib/postgresql/data" in written


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("ssh:\n  port: 22\n  user: x\nenv: <%= Settings.env %>\n", 7),
        ("env:\n  secret:\n    - <%= ENV['NAME'] %>\n", 6),
        ("env:\n  clear:\n    <%= ENV['NAME'] %>: 1\n", 6),
        ("proxy:\n  ssl: <%= ENV.fetch('SSL', true) %>\n", 5),
        ("require_destination: <%= Rails.production? %>\n", 4),
        ("accessories:\n  db: <%= Db.settings %>\n", 5),
        ("accessories:\n  db:\n    image: a\n    directories:\n      - <%= Db.data %>\n", 8),
        ("logging:\n  driver: local\n  options: <%= Log.options %>\n", 6),
    ],
)
def test_erb_that_decides_what_is_written_is_refused(tmp_path: Path, lines: str, line: int) -> None:
    """A section, a name, or yes and no: as a variable, it was dropped, or the file was no valid one."""
    text = f"service: shop\nimage: acme/shop\nservers: [192.0.2.1]\n{lines}"
    with pytest.raises(ConfigError, match="this ERB is not evaluated") as refused:
        taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert [(problem.line, "<%=" in (problem.source or "")) for problem in refused.value.problems] == [
        (line, True)
    ]


def test_erb_in_the_place_of_a_number(tmp_path: Path) -> None:
    """A variable: what counts is its default, or that of ssh and FTL, until it is set."""
    text = "service: shop\nimage: acme/shop\nservers: [192.0.2.1]\nssh: {port: <%= ENV['SSH_PORT'] %>}\n"
    text += "proxy: {host: a.io, ssl: true, app_port: <%= ENV.fetch('PORT', 3000) %>}\n"
    text += "env: {clear: {ssl: <%= ENV['SSL'] %>}}\n"
    project, _ = taken(tmp_path / "a", "deploy.yml", {"deploy.yml": text})
    assert (project.server.port, project.services[0].port) == (None, 3000)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / ".env").write_text("SSH_PORT=2222\nPORT=81\n")
    project, _ = taken(tmp_path / "b", "deploy.yml", {"deploy.yml": text})
    assert (project.server.port, project.services[0].port) == (2222, 81)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("git rev-parse --short HEAD", "; as the commit of the release it is not masked"),
        ("git rev-parse HEAD", "; as the commit of the release it is not masked"),
        ("git rev-parse --abbrev-ref HEAD", ", and masks it as one"),
    ],
)
def test_the_row_of_a_command_says_whether_its_value_is_masked(
    tmp_path: Path, command: str, text: str
) -> None:
    """The deployed commit is not; what another command prints is."""
    written = f"{HEAD}servers: [192.0.2.1]\nenv: {{clear: {{GIT_REV: <%= `{command}`.strip %>}}}}\n"
    _, report = taken(tmp_path, "deploy.yml", {"deploy.yml": written})
    assert words(report, "${GIT_REV_OF_KAMAL}").endswith(f"so does FTL, by `secrets`{text}")
