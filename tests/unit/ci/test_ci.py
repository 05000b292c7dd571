"""The GitHub action and the GitLab template, run as their runners do, and the summary."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ftl.cli.views.summary import FIGURES, append, failure_text, result_text, summarised_failure
from ftl.deploy.result import DeployResult, ServiceResult
from ftl.errors import ConfigError, ErrorContext, FtlError, HookFailed, Problem, UsageError
from tests.harness import ROOT
from tests.support.ci_runners import run_action, run_gitlab, stop_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ci_runners import Job

FTL_YAML = "project: {name: shop, domain: shop.example.org}\n"
FTL_YAML += "services: [{name: web, image: 'nginx:1', port: 80, routes: [/]}]\n"
RESULT = DeployResult(
    "deploy@shop.example.org", "r7", 12.34, True,
    {"web": ServiceResult("shop-web:r7", "replaced", 1, 5, 2048, 4096)},
    {"postgres": ServiceResult("postgres:16", "unchanged")}, ("old",),
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout with a project, and a key beside it."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "ftl.yaml").write_text(FTL_YAML)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True, timeout=30
    )
    return folder


@pytest.fixture
def secrets(workspace: Path) -> dict[str, str]:
    """The action's secrets."""
    return {
        "ssh-key": (workspace.parent / "key").read_text(),
        "known-hosts": "shop.example.org ssh-ed25519 AAAA",
    }


@pytest.fixture
def gitlab(workspace: Path, secrets: dict[str, str]) -> Iterator[list[Job]]:
    """Jobs of GitLab, whose agents are ended after the test."""
    jobs: list[Job] = []
    yield jobs
    for job in jobs:
        stop_agent(job)


def wait_until_gone(path: Path) -> None:
    """Wait until a file is removed: an agent ends a moment after it was asked to."""
    deadline = time.monotonic() + 20
    while path.exists():
        assert time.monotonic() < deadline, f"{path} still exists"
        time.sleep(0.05)


def test_summary_of_a_deploy() -> None:
    """It has the release, the seconds, the bytes of each service, links, and the figures for programs."""
    text = result_text("shop", RESULT, ["https://shop.example.org"])
    assert text.startswith("### shop: r7 is live\n")
    assert "server `deploy@shop.example.org` · 12 s · <https://shop.example.org>" in text
    assert "| `web` | replaced | `shop-web:r7` | 1 layer, 2.0 kB instead of 6.1 kB | 5 layers |" in text
    assert "`old` was removed" in text
    last = text.splitlines()[-1]
    assert last.startswith(FIGURES)
    assert '"url": "https://shop.example.org", "seconds": 12.34, "bytes": 2048}' in last


def test_summary_of_a_failure(tmp_path: Path) -> None:
    """It has the reason, the hint and the last log lines, and nothing of them is rendered."""
    error = HookFailed(
        "the hook failed", cause="it exited with <1>", hint="see `x`", place=ErrorContext("h", "web")
    )
    error.with_details(["~~~", "<script>", "\x1b[31mred"])
    text = failure_text(error)
    assert "### Deploy failed: the hook failed" in text
    assert "because: it exited with &lt;1>" in text
    assert re.search(r"^~~~~\n~~~\n<script>\n.*red\n~~~~$", text, re.MULTILINE)
    assert "\x1b" not in text
    config = failure_text(ConfigError([Problem("`a` is no key", "ftl.yaml", 3, hint="remove it")]))
    assert "- `ftl.yaml:3` `a` is no key (remove it)" in config


def test_failures_pass_and_are_appended(tmp_path: Path) -> None:
    """The summary is appended to what other steps wrote; a file that cannot be written stops the deploy first."""
    path = tmp_path / "summary.md"
    append(path, "before\n")
    with pytest.raises(FtlError, match="no"), summarised_failure(path):
        raise FtlError("no")
    assert path.read_text().startswith("before\n### Deploy failed: no")
    with pytest.raises(UsageError, match="cannot be written"), summarised_failure(tmp_path / "no" / "file"):
        raise AssertionError


def test_the_action_runs_a_command(workspace: Path, secrets: dict[str, str]) -> None:
    """The keys are loaded into an agent that ends with the job, and the command runs without a terminal."""
    job = run_action(workspace, secrets | {"command": "validate"})
    assert (job.code, "shop is valid" in job.log) == (0, True), job.log
    home = workspace.parent / "home"
    assert (home / ".ssh/known_hosts").read_text() == "shop.example.org ssh-ed25519 AAAA\n"
    assert [path.name for path in (home / ".ssh").iterdir()] == ["known_hosts"]
    assert secrets["ssh-key"] not in job.log
    agent = dict(line.partition("=")[::2] for line in (home / "github_env").read_text().splitlines())
    wait_until_gone(Path(agent["SSH_AUTH_SOCK"]))


def test_the_action_shows_why_a_deploy_failed(workspace: Path, secrets: dict[str, str]) -> None:
    """The exit code is FTL's, and the reason is on the job's page."""
    (workspace / "ftl.yaml").write_text(FTL_YAML.replace("port", "prot"))
    job = run_action(workspace, secrets)
    assert job.code == 2
    assert "### Deploy failed" in job.summary
    assert "did you mean `port`?" in job.summary
    assert job.outputs == {}


def test_the_action_has_outputs(workspace: Path, secrets: dict[str, str]) -> None:
    """The figures of the summary are the action's outputs, each with a declaration."""
    summary = workspace.parent / "home/temp/ftl-summary.md"
    summary.parent.mkdir(parents=True)
    append(summary, result_text("shop", RESULT, ["https://shop.example.org"]))
    job = run_action(workspace, secrets | {"command": "validate"})
    assert job.outputs == {
        "release": "r7",
        "changed": "true",
        "url": "https://shop.example.org",
        "seconds": "12.34",
        "bytes": "2048",
    }
    declared: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())["outputs"]
    assert set(declared) == set(job.outputs)


@pytest.mark.parametrize(("action", "number"), [("opened", "7"), ("closed", "8"), ("", "")])
def test_the_action_has_previews_of_pull_requests(
    workspace: Path, secrets: dict[str, str], action: str, number: str
) -> None:
    """A closed one is removed, others are deployed; elsewhere there is none. `environment` has no say."""
    overlay = f"project: {{domain: '${{FTL_ENV}}.{action}.example.org', nmae: x}}\n"
    (workspace / "ftl.preview.yaml").write_text(overlay)
    inputs = secrets | {"preview": "true", "expires": "24h", "environment": "production"}
    job = run_action(workspace, inputs, {"action": action, "number": number})
    assert job.code == 2, job.log
    if number:
        assert "did you mean `name`?" in job.log
        assert ("### Deploy failed" in job.summary) == (action == "opened")
    else:
        assert "::error::preview needs a workflow that runs on pull_request" in job.log


def test_the_action_needs_its_secrets(workspace: Path) -> None:
    """Empty secrets (a fork, another environment) are an error that says so."""
    job = run_action(workspace, {"ssh-key": "", "known-hosts": ""})
    assert job.code == 2
    assert "::error::ssh-key and known-hosts must not be empty" in job.log


@pytest.mark.parametrize("package", ["dist/ftl.whl", "ftl-deploy[age] @ https://example.com/x", "./ftl"])
def test_a_file_has_no_version(
    workspace: Path, secrets: dict[str, str], gitlab: list[Job], package: str
) -> None:
    """Pip would see `x.whl==1.2`: the job says which input is too much."""
    job = run_action(workspace, secrets | {"package": package, "version": "1.2.3"})
    gitlab.append(run_gitlab(workspace, {"package": package, "version": "1.2.3"}, {}))
    for each in (job, *gitlab):
        assert each.code == 2, each.log
        assert "version must be empty where package is a file or a URL" in each.log


def test_the_action_interpolates_no_input_into_a_script() -> None:
    """Inputs reach scripts by environment only, so that none of them is run as code."""
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    assert [step["name"] for step in steps if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("as_file", [False, True])
def test_the_template_runs_a_command(
    workspace: Path, secrets: dict[str, str], gitlab: list[Job], *, as_file: bool
) -> None:
    """The variables may be texts or files, as GitLab offers both."""
    key = str(workspace.parent / "key") if as_file else secrets["ssh-key"]
    variables = {"SSH_PRIVATE_KEY": key, "SSH_KNOWN_HOSTS": secrets["known-hosts"]}
    job = run_gitlab(workspace, {"command": "validate"}, variables)
    gitlab.append(job)
    assert (job.code, "shop is valid" in job.log) == (0, True), job.log


def test_the_template_has_outputs(workspace: Path, secrets: dict[str, str], gitlab: list[Job]) -> None:
    """The figures become variables of the environment's URL and of later jobs."""
    append(workspace / "ftl-summary.md", result_text("shop", RESULT, ["https://shop.example.org"]))
    job = run_gitlab(
        workspace, {"command": "validate"}, {"SSH_PRIVATE_KEY": secrets["ssh-key"], "SSH_KNOWN_HOSTS": "x"}
    )
    gitlab.append(job)
    assert (job.outputs["FTL_URL"], job.outputs["FTL_RELEASE"]) == ("https://shop.example.org", "r7")


def test_the_template_shows_why_a_deploy_failed(
    workspace: Path, secrets: dict[str, str], gitlab: list[Job]
) -> None:
    """The summary is an artifact, also of a job that failed."""
    (workspace / "ftl.yaml").write_text(FTL_YAML.replace("port", "prot"))
    job = run_gitlab(workspace, {}, {"SSH_PRIVATE_KEY": secrets["ssh-key"], "SSH_KNOWN_HOSTS": "x"})
    gitlab.append(job)
    assert (job.code, "### Deploy failed" in job.summary) == (2, True), job.log
