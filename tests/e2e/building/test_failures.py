"""Errors of failed builds."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.building.support import SOURCE, built
from tests.support.processes import command_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness import Project

pytestmark = pytest.mark.engine


def test_a_failing_step_shows_its_output_and_its_line(project: Callable[..., Project]) -> None:
    """The step's last output, its line and its status; the other service's build is stopped."""
    made = project(
        {
            "web/Dockerfile": "FROM ftl-lab-busybox\n\nRUN echo first words; \\\n  echo last words >&2; exit 3\n",
            "slow/Dockerfile": "FROM ftl-lab-busybox\nRUN sleep 100\n",
        },
        {"web": {"build": "web"}, "slow": {"build": "slow"}},
    )
    outcome = made.run("--json", "build", timeout=60)
    error = outcome.result["error"]
    assert outcome.exit_code == 1
    assert error["message"].startswith("web/Dockerfile:3: a build step failed (RUN echo first words;")
    assert error["cause"] == "it exited with status 3"
    assert sorted(error["details"]) == ["first words", "last words"]
    assert error["place"] == {"server": "this machine", "service": "web", "step": "build"}


def test_a_failing_step_that_two_services_share_is_reported_with_its_output(
    project: Callable[..., Project],
) -> None:
    """BuildKit reports the step to only one of two identical builds; that build's error is shown."""
    source = "FROM ftl-lab-busybox\nRUN sleep 1; echo last words; exit 3\n"
    made = project({"Dockerfile": source}, {"web": {"build": "."}, "worker": {"build": "."}})
    error = made.run("--json", "build", timeout=60).result["error"]
    assert error["message"] == "Dockerfile:2: a build step failed (RUN sleep 1; echo last words; exit 3)"
    assert error["details"] == ["last words"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("FROM ftl-lab-busybox\nCOPY nothere /\n", ["Dockerfile:2", "`nothere` was not found"]),
        ("FROM ftl-lab-busybox\nCOPY ignored /\n", ["Dockerfile:2", ".dockerignore excludes it"]),
        ("FROM ftl-lab-busybox\nRNU x\n", ["Dockerfile:2", "unknown instruction: RNU", "did you mean RUN?"]),
        (
            "FROM registry.invalid/nothing:1\nRUN x\n",
            ["Dockerfile:1", "registry.invalid/nothing:1", "cannot be pulled"],
        ),
        (
            "FROM ftl-lab-busybox\nRUN --mount=type=secret,id=x,required=true true\n",
            ["Dockerfile:2", "build.secrets"],
        ),
        ("FROM ftl-lab-busybox\nRUN no-such-program\n", ["Dockerfile:2", "status 127", "not found"]),
        ("", ["has no instructions"]),
    ],
)
def test_an_error_in_a_dockerfile_names_its_line(
    project: Callable[..., Project], source: str, words: list[str]
) -> None:
    """Exit code 1, the line, the cause, and no traceback."""
    made = project({"Dockerfile": source, "ignored": "x", ".dockerignore": "ignored\n"})
    outcome = made.run("build")
    assert outcome.exit_code == 1
    assert "Traceback" not in outcome.stderr
    assert not [word for word in words if word not in outcome.stderr], outcome


def test_without_an_engine_the_error_says_so(project: Callable[..., Project]) -> None:
    """The error is about the engine, not about the Dockerfile."""
    made = project({"Dockerfile": SOURCE})
    outcome = made.run("build", env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert outcome.exit_code == 1
    assert "engine" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "Dockerfile" not in outcome.stderr


def test_an_interrupted_build_leaves_nothing_running(project: Callable[..., Project], name: str) -> None:
    """Ctrl-C ends the builder's processes and the step in the engine; the exit code is 130."""
    made = project(
        {"Dockerfile": "FROM ftl-lab-busybox\nRUN echo $$NAME; sleep 987\n".replace("$$NAME", name)}
    )
    with made.start("--json", "build") as process:
        assert process.stdout is not None
        next(line for line in process.stdout if json.loads(line)["type"] == "build_output")
        assert command_lines(name)
        process.send_signal(2)
        process.communicate(timeout=30)
    assert process.returncode == 130
    deadline = time.monotonic() + 20
    while command_lines(f"{name}; sleep 987") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not command_lines(name)


def test_a_failed_push_keeps_the_image(project: Callable[..., Project]) -> None:
    """If the registry cannot be reached, the image is still built and tagged; `--skip-push` succeeds."""
    made = project({"Dockerfile": SOURCE}, {"web": {"build": ".", "image": "localhost:9/app:1"}})
    outcome = made.run("--json", "build")
    assert outcome.exit_code == 1
    assert outcome.result["error"]["message"] == (
        "this machine could not push localhost:9/app:1: localhost:9 does not answer"
    )
    assert "connection refused" in outcome.result["error"]["cause"]
    assert built(made, "--skip-push")["web"]["image"] == "localhost:9/app:1"
