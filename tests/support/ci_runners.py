"""Runners of CI jobs: GitHub's and GitLab's way with a job, on any machine.

A bare environment, no terminal, files by which steps add variables, folders of PATH, outputs and a page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from tests.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
"""The command by which GitHub's runner starts `shell: bash`."""

_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILES = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
_HEREDOC = re.compile(r"^(\w+)<<(\S+)\n(.*?)\n?^\2$", re.MULTILINE | re.DOTALL)


class Machine(Protocol):
    """A machine that runs jobs.

    Attributes:
        home: The home of the jobs' user.
        path: PATH of a step.
    """

    @property
    def home(self) -> str: ...

    @property
    def path(self) -> str: ...

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str], folder: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with nothing but this environment, and without a terminal."""

    def write(self, path: str, text: str) -> None:
        """Write a file, in a new folder if it must be."""

    def read(self, path: str) -> str:
        """Text of a file; empty if there is none."""


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """This machine, with `ftl` on PATH and a home of the job's own."""

    folder: Path

    @property
    def home(self) -> str:
        """The home of the job."""
        return str(self.folder)

    @property
    def path(self) -> str:
        """That of the system, with this Python's programs."""
        return f"{Path(sys.executable).parent}:{_SYSTEM}"

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str], folder: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command here."""
        return subprocess.run(
            argv,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def write(self, path: str, text: str) -> None:
        """Write a file here."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    def read(self, path: str) -> str:
        """Text of a file here."""
        return Path(path).read_text() if Path(path).exists() else ""


@dataclass(slots=True)
class Job:
    """What a job left.

    Attributes:
        code: Exit code of the first step that failed.
        log: Everything that was printed.
        outputs: Outputs of the action that have a value.
        summary: The page of the job.
        cached: Paths that the runner would keep for the next job.
    """

    code: int = 0
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    cached: list[str] = field(default_factory=list)


def run_action(
    workspace: PurePath,
    inputs: dict[str, str],
    event: dict[str, str] | None = None,
    *,
    machine: Machine | None = None,
    variables: Mapping[str, str] | None = None,
) -> Job:
    """Run the steps of action.yml as GitHub's runner does; that of the cache only says what is kept.

    Args:
        workspace: The checkout, on the machine.
        inputs: Inputs of the action.
        event: `action` and `number` of a pull request's event.
        machine: The runner; this machine without it.
        variables: `env` of the step that uses the action.
    """
    machine = machine or ThisMachine(Path(workspace.parent, "home"))
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    temp = f"{machine.home}/temp"
    values = {f"inputs.{name}": str(given.get("default", "")) for name, given in action["inputs"].items()}
    values |= {f"inputs.{name}": value for name, value in inputs.items()}
    values |= {f"github.event.{name}": (event or {}).get(name, "") for name in ("action", "number")}
    values |= {"runner.temp": temp, "github.run_id": "1"}
    files = {name: f"{machine.home}/{name.lower()}" for name in _FILES}
    for path in (*files.values(), f"{temp}/.keep"):
        machine.write(path, "")
    base = {
        "HOME": machine.home, "CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_OS": "Linux", "RUNNER_TEMP": temp,
        "GITHUB_WORKSPACE": str(workspace), **files, **(variables or {}),
    }  # fmt: skip
    job = Job()
    for step in action["runs"]["steps"]:
        if job.code and step.get("if") != "always()":
            continue
        if "uses" in step:
            assert step["uses"].startswith("actions/cache@"), step
            job.cached += [path.replace("~", machine.home) for path in step["with"]["path"].split()]
            continue
        own = {name: _expression(text, values) for name, text in step.get("env", {}).items()}
        added = [*reversed(machine.read(files["GITHUB_PATH"]).split())]
        environment = {
            **base, "PATH": ":".join((*added, machine.path)), **_assignments(machine.read(files["GITHUB_ENV"])), **own
        }  # fmt: skip
        folder = str(workspace / _expression(step.get("working-directory", "."), values))
        machine.write(f"{temp}/step.sh", step["run"])
        machine.write(files["GITHUB_OUTPUT"], "")
        done = machine.run([*BASH, f"{temp}/step.sh"], environment, folder)
        job.log += done.stdout
        job.code = job.code or done.returncode
        outputs = _assignments(machine.read(files["GITHUB_OUTPUT"]))
        values |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in outputs.items()}
    found = {name: _expression(given["value"], values) for name, given in action["outputs"].items()}
    job.outputs = {name: value for name, value in found.items() if value}
    job.summary = machine.read(files["GITHUB_STEP_SUMMARY"])
    return job


def _assignments(text: str) -> dict[str, str]:
    """Values of `NAME=VALUE`, and of `NAME<<WORD` up to the line with that word."""
    several = {match[1]: match[3] for match in _HEREDOC.finditer(text)}
    return several | dict(
        line.partition("=")[::2] for line in _HEREDOC.sub("", text).splitlines() if "=" in line
    )


def _expression(text: str, values: Mapping[str, str]) -> str:
    """A text with the values of its expressions; an output that a step has not is empty."""
    return re.sub(
        r"\$\{\{\s*(.*?)\s*\}\}",
        lambda match: values.get(match[1], "") if match[1].startswith("steps.") else values[match[1]],
        text,
    )


def run_gitlab(
    workspace: PurePath,
    inputs: dict[str, str],
    variables: Mapping[str, str],
    *,
    machine: Machine | None = None,
) -> Job:
    """Run the job of templates/deploy.yml as GitLab's runner does, in one shell, and after it in another.

    The shell is bash where the image has it, else sh.
    """
    machine = machine or ThisMachine(Path(workspace.parent, "home"))
    specification, job_text = (ROOT / "templates/deploy.yml").read_text().split("\n---\n")
    declared: dict[str, Any] = yaml.safe_load(specification)["spec"]["inputs"]
    values = {name: str(given.get("default", "")) for name, given in declared.items()} | inputs
    text = re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda match: values[match[1]] or '""', job_text)
    job: dict[str, Any] = yaml.safe_load(text)["ftl-deploy"]
    environment = {
        "HOME": machine.home, "PATH": machine.path, "CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": str(workspace),
        **job["variables"], **variables,
    }  # fmt: skip
    machine.write(f"{machine.home}/.keep", "")
    has_bash = machine.run(["sh", "-c", "command -v bash"], environment, str(workspace)).returncode == 0
    shell = ["bash", "--noprofile", "--norc"] if has_bash else ["sh"]
    result = Job(cached=[str(workspace / path) for path in job["cache"]["paths"]])
    for part in ([*job["before_script"], *job["script"]], job["after_script"]):
        script = "set -eo pipefail\n" + "\n".join(part)
        done = machine.run([*shell, "-c", script], environment, str(workspace))
        result.log += done.stdout
        result.code = result.code or done.returncode
    result.summary = machine.read(str(workspace / "ftl-summary.md"))
    result.outputs = _assignments(machine.read(str(workspace / "ftl.env")))
    return result


def stop_agent(job: Job) -> None:
    """End the ssh-agent that a GitLab job leaves to the end of its container."""
    if match := re.search(r"Agent pid (\d+)", job.log):
        os.kill(int(match[1]), 15)
