"""A runner of CI jobs: a bare environment, no terminal, files for outputs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.harness import ROOT

BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
"""The command by which GitHub's runner starts `shell: bash`."""


@dataclass(slots=True)
class Job:
    """What a job left.

    Attributes:
        code: Exit code of the first step that failed.
        log: Everything that was printed.
        outputs: Outputs of the action's last steps.
        summary: The page of the job.
    """

    code: int = 0
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""


def bare_environment(home: Path) -> dict[str, str]:
    """What a runner gives to a step; `ftl` is on PATH."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(home), "CI": "true", "RUNNER_TEMP": str(home / "temp")}


def run_action(workspace: Path, inputs: dict[str, str], event: dict[str, str] | None = None) -> Job:
    """Run the steps of action.yml as GitHub's runner does; actions of others are left out.

    Args:
        workspace: The checkout.
        inputs: Inputs of the action.
        event: `action` and `number` of a pull request's event.
    """
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    values = {name: str(given.get("default", "")) for name, given in action["inputs"].items()} | inputs
    values = {f"inputs.{name}": value for name, value in values.items()}
    values |= {f"github.event.{name}": (event or {}).get(name, "") for name in ("action", "number")}
    home = workspace.parent / "home"
    (home / "temp").mkdir(parents=True, exist_ok=True)
    files = {
        name: home / name.lower()
        for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    }
    environment = bare_environment(home) | {name: str(path) for name, path in files.items()}
    job = Job()
    for path in files.values():
        path.write_text("")
    for step in action["runs"]["steps"]:
        if "uses" in step or (job.code and step.get("if") != "always()"):
            continue
        own = {name: _expression(text, values, home) for name, text in step.get("env", {}).items()}
        added = dict(line.partition("=")[::2] for line in files["GITHUB_ENV"].read_text().splitlines())
        folder = workspace / _expression(step.get("working-directory", "."), values, home)
        script = home / "temp" / "step.sh"
        script.write_text(step["run"])
        done = _run([*BASH, str(script)], {**environment, **added, **own}, folder)
        job.log += done.stdout
        job.code = job.code or done.returncode
    job.outputs = dict(line.partition("=")[::2] for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    job.summary = files["GITHUB_STEP_SUMMARY"].read_text()
    return job


def _run(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def _expression(text: str, values: dict[str, str], home: Path) -> str:
    known = {"runner.temp": str(home / "temp"), "github.run_id": "1"} | values
    return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: known[match[1]], text)


def run_gitlab(workspace: Path, inputs: dict[str, str], variables: dict[str, str]) -> Job:
    """Run the job of templates/deploy.yml as GitLab's shell executor does."""
    specification, job_text = (ROOT / "templates/deploy.yml").read_text().split("\n---\n")
    declared: dict[str, Any] = yaml.safe_load(specification)["spec"]["inputs"]
    values = {name: str(given.get("default", "")) for name, given in declared.items()} | inputs
    text = re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda match: values[match[1]] or '""', job_text)
    job: dict[str, Any] = yaml.safe_load(text)["ftl-deploy"]
    home = workspace.parent / "home"
    home.mkdir(exist_ok=True)
    environment = bare_environment(home) | {"CI_PROJECT_DIR": str(workspace)} | job["variables"] | variables
    result = Job()
    for part in ([*job["before_script"], *job["script"]], job["after_script"]):
        script = "set -eo pipefail\n" + "\n".join(part)
        done = _run(["bash", "--noprofile", "--norc", "-c", script], environment, workspace)
        result.log += done.stdout
        result.code = result.code or done.returncode
    summary, dotenv = workspace / "ftl-summary.md", workspace / "ftl.env"
    result.summary = summary.read_text() if summary.exists() else ""
    result.outputs = (
        dict(line.partition("=")[::2] for line in dotenv.read_text().splitlines()) if dotenv.exists() else {}
    )
    return result


def stop_agent(job: Job) -> None:
    """End the ssh-agent that a GitLab job leaves to the end of its container."""
    if match := re.search(r"Agent pid (\d+)", job.log):
        os.kill(int(match[1]), 15)
