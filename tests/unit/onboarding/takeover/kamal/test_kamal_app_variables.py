"""Variables that Kamal gives its containers, where the app reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.kamal.app_variables import variables_read
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal_destinations import staging
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "service: shop\nimage: acme/shop\nservers: {web: [192.0.2.1], jobs: {hosts: [192.0.2.1], cmd: work}}\n"
READS = "import os\nRELEASE = os.environ['KAMAL_VERSION']\nHOST = os.environ.get('KAMAL_HOST')\n"


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("config/initializers/sentry.rb", '\nx = ENV["KAMAL_VERSION"]\n', "config/initializers/sentry.rb:2"),
        ("app/views/top.html.erb", '<%= ENV["KAMAL_VERSION"] %>', "app/views/top.html.erb:1"),
        ("bin/docker-entrypoint", "#!/bin/sh\necho $KAMAL_VERSION\n", "bin/docker-entrypoint:2"),
        ("docker/entrypoint.sh", "echo $KAMAL_VERSION\n", "docker/entrypoint.sh:1"),
        ("Dockerfile", "FROM x\nCMD echo $KAMAL_VERSION\n", "Dockerfile:2"),
        ("src/app.js", "process.env.KAMAL_VERSION", "src/app.js:1"),
        ("config/deploy.yml", "x: KAMAL_VERSION", None),
        ("config/deploy.staging.yml", "x: KAMAL_VERSION", None),
        (".kamal/hooks/pre-deploy", "echo $KAMAL_VERSION", None),
        ("node_modules/x/a.js", "KAMAL_VERSION", None),
        ("README.md", "KAMAL_VERSION", None),
        ("a.py", "MY_KAMAL_VERSION = KAMAL_VERSIONS", None),
    ],
)
def test_where_the_app_reads_one(tmp_path: Path, file: str, text: str, place: str | None) -> None:
    """The app's own files count; Kamal's, those of packages and texts for people do not."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert variables_read(tmp_path) == ({"KAMAL_VERSION": place} if place is not None else {})


def test_the_services_of_the_app_get_what_ftl_knows(tmp_path: Path) -> None:
    """An app that demands the variable did not start; in an environment it is that of its server."""
    (tmp_path / ".git").mkdir()
    files = {
        "config/deploy.yml": f"{HEAD}accessories: {{db: {{image: postgres:16, host: 192.0.2.1}}}}\n",
        "config/deploy.staging.yml": "servers: {web: [192.0.2.2], jobs: {hosts: [192.0.2.2]}}\n",
        "app.py": READS,
    }
    project, report = taken(tmp_path, "config/deploy.yml", files)
    assert [sorted(service.env) for service in project.services] == [["KAMAL_HOST", "KAMAL_VERSION"]] * 2
    assert project.services[1].env["KAMAL_HOST"] == "192.0.2.1"
    assert [(secret.name, secret.command) for secret in project.secrets] == [
        ("KAMAL_VERSION", "git rev-parse HEAD")
    ]
    assert staging(tmp_path, fetch=None).services[0].env["KAMAL_HOST"] == "192.0.2.2"
    rows = {row.key: row for row in report.rows}
    assert "each commit replaces their containers" in rows["KAMAL_VERSION (app.py:2)"].text
    assert rows["KAMAL_HOST (app.py:3)"].verdict is Verdict.CHANGED


def test_what_ftl_does_not_know_needs_you(tmp_path: Path) -> None:
    """Without a commit, and the name of a container: the row says what to read in its place."""
    files = {"deploy.yml": HEAD, "app.py": f"{READS}NAME = os.environ['KAMAL_CONTAINER_NAME']\n"}
    project, report = taken(tmp_path, "deploy.yml", files)
    found = {key: verdict for key, verdict in verdicts(report).items() if key.startswith("KAMAL_")}
    assert found == {
        "KAMAL_CONTAINER_NAME (app.py:4)": Verdict.NEEDS_YOU,
        "KAMAL_HOST (app.py:3)": Verdict.CHANGED,
        "KAMAL_VERSION (app.py:2)": Verdict.NEEDS_YOU,
    }
    assert "have the app read HOSTNAME" in (tmp_path / "ftl.yaml").read_text()
    assert "KAMAL_VERSION" not in project.services[0].env


def test_a_variable_that_the_file_sets_is_left_alone(tmp_path: Path) -> None:
    """It has a value already."""
    text = f"{HEAD}env: {{clear: {{KAMAL_VERSION: '1'}}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text, "app.py": "KAMAL_VERSION"})
    assert project.services[0].env["KAMAL_VERSION"] == "1"
    assert not [row for row in report.rows if row.key.startswith("KAMAL_")]
