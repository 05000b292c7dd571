"""`ftl init` with texts whose dollar signs are not for FTL: each arrives as it was."""

# ruff: noqa: E501 -- lines of other tools' files

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict

from .test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

HARD = ["$HOME", "${HOME}", "$$", "a${b}c", "$2y$10$abcDEF", "$${X:-1}", "100$", "${", "$$$${A}"]


def test_a_line_of_a_procfile_is_for_the_containers_shell(tmp_path: Path) -> None:
    """Heroku's own sample: defaults of PORT and RACK_ENV are decided in the container, where both are set."""
    procfile = "web: puma -p ${PORT:-3000} -e ${RACK_ENV:-development}\nworker: work -c ${CONC:-5}\nrelease: up ${A}\n"
    files = {"Procfile": procfile, "app.json": '{"env": {"RACK_ENV": "production"}}'}
    project, _ = taken(tmp_path, "Procfile", files)
    web, worker = project.services
    assert web.command == ("sh", "-c", "exec puma -p ${PORT:-3000} -e ${RACK_ENV:-development}")
    assert worker.command == ("sh", "-c", "exec work -c ${CONC:-5}")
    assert web.hooks.pre is not None
    assert web.hooks.pre.remote == "up ${A}"


def test_a_worker_and_a_hook_that_were_found_keep_their_dollar_signs(begin: Begin) -> None:
    """Without `--from`, too."""
    procfile = "web: flask run -p $PORT\nworker: celery -c ${CONC:-5}\nrelease: up ${A}\n"
    _, project = begin(
        {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n", "Procfile": procfile}
    )
    web, worker = project.services
    assert worker.command == ("sh", "-c", "exec celery -c ${CONC:-5}")
    assert web.hooks.pre is not None
    assert web.hooks.pre.remote == "up ${A}"


@pytest.mark.parametrize("text", HARD)
def test_values_of_other_tools_arrive_as_they_were(tmp_path: Path, text: str) -> None:
    """app.json, fly.toml and Kamal's configuration have no variables of FTL."""
    written = json.dumps(text)
    files = {
        "app.json": json.dumps({"env": {"A": text}}),
        "fly.toml": f"[env]\nA = {written}\n[build.args]\nA = {written}\n[processes]\napp = {json.dumps(f'run {text}')}\n"
        f"[deploy]\nrelease_command = {json.dumps(f'up {text}')}\n",
        "config/deploy.yml": f"service: a\nimage: a/a\nservers: {{web: {{hosts: [203.0.113.7], cmd: [sh, -c, {written}]}}}}\n"
        f"env: {{clear: {{A: {written}, B: \"<%= ENV['B'] %>{text}\"}}}}\nbuilder: {{arch: amd64, args: {{A: {written}}}}}\n",
    }
    heroku, _ = taken(tmp_path / "heroku", "app.json", files)
    assert heroku.services[0].env["A"] == text
    fly, _ = taken(tmp_path / "fly", "fly.toml", files)
    web = fly.services[0]
    assert web.build is not None
    assert web.hooks.pre is not None
    assert (web.env["A"], web.command, web.build.args["A"]) == (text, f"run {text}", text)
    assert web.hooks.pre.remote == f"up {text}"
    kamal, report = taken(tmp_path / "kamal", "config/deploy.yml", files)
    web = kamal.services[0]
    assert web.build is not None
    assert (web.env["A"], web.env["B"], web.command) == (text, text, ("sh", "-c", text))
    assert web.build.args["A"] == text
    assert "${abcDEF}" not in verdicts(report)


def test_a_variable_of_erb_may_follow_a_dollar_sign(tmp_path: Path) -> None:
    """The sign stays one, and the variable a variable."""
    text = "service: a\nimage: a/a\nservers: [203.0.113.7]\nenv: {clear: {A: \"$<%= ENV['B'] %>\"}}\n"
    project, _ = taken(tmp_path, "deploy.yml", {"deploy.yml": text, ".env": "B=5\n"})
    assert project.services[0].env["A"] == "$5"


def test_what_runs_when_an_app_is_created_is_no_hook(tmp_path: Path) -> None:
    """A deploy that loads the schema anew takes the data with it."""
    files = {
        "Procfile": "web: puma\n",
        "app.json": '{"scripts": {"postdeploy": "rake db:schema:load db:seed"}}',
    }
    project, report = taken(tmp_path / "a", "Procfile", files)
    assert project.services[0].hooks.pre is None
    assert verdicts(report)["scripts.postdeploy"] is Verdict.NEEDS_YOU
    _, report = taken(
        tmp_path / "b", "Procfile", {**files, "Procfile": "web: puma\nrelease: rake db:migrate\n"}
    )
    assert verdicts(report)["scripts.postdeploy"] is Verdict.NEEDS_YOU
    assert verdicts(report)["release"] is Verdict.CHANGED


def test_scripts_of_dokku_are_of_each_release(tmp_path: Path) -> None:
    """Before the release command, and after the switch."""
    scripts = {"dokku": {"predeploy": "a", "postdeploy": "b", "odd": "c"}, "pr-predestroy": "d"}
    files = {"Procfile": "web: puma\nrelease: up\n", "app.json": json.dumps({"scripts": scripts})}
    project, report = taken(tmp_path, "Procfile", files)
    hooks = project.services[0].hooks
    assert hooks.pre is not None
    assert hooks.post is not None
    assert (hooks.pre.remote, hooks.post.remote) == ("a && up", "b")
    found = verdicts(report)
    assert (found["scripts.dokku.odd"], found["scripts.pr-predestroy"]) == (
        Verdict.NEEDS_YOU,
        Verdict.LEFT_OUT,
    )
