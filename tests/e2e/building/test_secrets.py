"""Build secrets reach the build and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.building.support import SOURCE, built, docker
from tests.support.processes import command_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness import Project

pytestmark = pytest.mark.engine

TOKEN = "s3cr3t-0123456789"

SECRET_SOURCE = """\
FROM ftl-lab-busybox
RUN --mount=type=secret,id=one --mount=type=secret,id=two --mount=type=secret,id=three \\
    sleep 2 && cat /run/secrets/* | wc -c > /length
"""


def test_secrets_reach_the_build_and_nothing_else(project: Callable[..., Project], name: str) -> None:
    """Secrets from a variable, .env and a file are not in the image, its history, or any argument list."""
    made = project(
        {"Dockerfile": SECRET_SOURCE, ".env": f"FROM_DOTENV={TOKEN}\n", "token": TOKEN, ".dockerignore": "*"},
        {"web": {"build": {"context": ".", "secrets": [
            {"id": "one", "env": "FROM_ENV"}, {"id": "two", "env": "FROM_DOTENV"}, {"id": "three", "file": "token"},
        ]}}},
    )  # fmt: skip
    commands: set[str] = set()
    with made.start("build", "--no-cache", env={"FROM_ENV": TOKEN}) as process:
        while process.poll() is None:
            commands.update(command_lines(name).values())
            time.sleep(0.05)
        assert process.returncode == 0
    assert [line for line in commands if "--secret" in line]
    assert not [line for line in commands if TOKEN in line]
    assert TOKEN not in docker("history", "--no-trunc", f"{name}-web")
    assert TOKEN not in docker("inspect", f"{name}-web")
    length = docker("run", "--rm", f"{name}-web", "cat", "/length")
    assert int(length) == 3 * len(TOKEN)


def test_dev_null_is_an_empty_secret(project: Callable[..., Project]) -> None:
    """`/dev/null` means "no such secret here", so that one Dockerfile works on all machines."""
    made = project(
        {"Dockerfile": "FROM ftl-lab-busybox\nRUN --mount=type=secret,id=ca test ! -s /run/secrets/ca\n"},
        {"web": {"build": {"context": ".", "secrets": [{"id": "ca", "file": "/dev/null"}]}}},
    )
    built(made)


def test_a_missing_secret_fails_before_anything_is_built(project: Callable[..., Project]) -> None:
    """The error names the variable."""
    made = project(
        {"Dockerfile": SOURCE}, {"web": {"build": {"context": ".", "secrets": ["NOT_SET_ANYWHERE"]}}}
    )
    outcome = made.run("build")
    assert outcome.exit_code == 2
    assert "the variable NOT_SET_ANYWHERE is not set" in outcome.stderr
