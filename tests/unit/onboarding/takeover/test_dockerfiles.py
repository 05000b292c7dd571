"""`ftl init --from` for an app without a Dockerfile: it gets the one that `ftl init` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.takeover.compose.taking_over import verdicts

from ..apps import package
from ..conftest import put_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.onboarding.takeover.report import TakeoverReport

FLASK = {
    "requirements.txt": "flask\ngunicorn\n",
    "app.py": "from flask import Flask\napp = Flask(__name__)\n",
}
NODE = {
    "package.json": package({"start": "node a.js"}, express="5"),
    "a.js": "app.listen(process.env.PORT)",
}


def taken(folder: Path, name: str, files: Mapping[str, str]) -> tuple[Project, TakeoverReport]:
    """Take over a file of an app, write the result, and load it."""
    put_files(folder, files)
    result = take_over([folder / name], folder, {})
    put_files(folder, result.files)
    return load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {})), fetch=None), result.report


def test_a_procfile_without_a_dockerfile(tmp_path: Path) -> None:
    """The next step was `ftl init`, which refused: ftl.yaml was there."""
    procfile = "web: gunicorn app:app -b :$PORT\nworker: python work.py\n"
    project, report = taken(tmp_path, "Procfile", {**FLASK, "Procfile": procfile})
    text = (tmp_path / "Dockerfile").read_text()
    assert "pip install -r requirements.txt" in text
    assert "\n.env\n" in (tmp_path / ".dockerignore").read_text()
    assert (project.services[0].port, project.services[0].env["PORT"]) == (8000, "8000")
    assert verdicts(report)["Dockerfile"] is Verdict.CHANGED
    assert not [row for row in report.rows if "ftl init" in row.text or row.key.startswith("ftl.yaml")]


FLY = 'app = "shop"\n[build]\nbuilder = "heroku/builder:24"\n[http_service]\ninternal_port = 8080\n'


@pytest.mark.parametrize(
    ("files", "port", "env", "key"),
    [
        (FLASK, 8000, {}, "app: port"),
        (NODE, 8080, {"PORT": "8080"}, "Dockerfile"),
        ({f"api/{name}": text for name, text in FLASK.items()}, 8000, {}, "api/Dockerfile"),
    ],
)
def test_fly_without_a_dockerfile(
    tmp_path: Path, files: dict[str, str], port: int, env: dict[str, str], key: str
) -> None:
    """Port and program agree: by the variable where the program reads it, else by the program's own."""
    project, report = taken(tmp_path, "fly.toml", {**files, "fly.toml": FLY})
    web = project.services[0]
    assert (web.port, web.env) == (port, env)
    found = verdicts(report)
    assert found[key] is Verdict.CHANGED
    assert found["build.builder"] is Verdict.LEFT_OUT


def test_a_dockerfile_that_is_there_stays(tmp_path: Path) -> None:
    """It, and the one that fly.toml names, are the app's."""
    files = {**FLASK, "fly.toml": FLY, "Dockerfile": "FROM x\n"}
    project, report = taken(tmp_path, "fly.toml", files)
    assert (tmp_path / "Dockerfile").read_text() == "FROM x\n"
    assert project.services[0].port == 8080
    assert "Dockerfile" not in verdicts(report)


def test_an_app_that_is_not_known(tmp_path: Path) -> None:
    """The row says that a Dockerfile is to be written, and why none was."""
    put_files(tmp_path, {"Procfile": "web: a\n"})
    report = take_over([tmp_path / "Procfile"], tmp_path, {}).report
    row = next(row for row in report.rows if row.key == "Dockerfile")
    assert row.verdict is Verdict.NEEDS_YOU
    assert "no app in this folder" in row.text
    assert row.text.endswith("write one")
