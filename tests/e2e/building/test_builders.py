"""The choice of a builder among the docker CLIs of this machine."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.e2e.building.support import warnings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness import Project

pytestmark = pytest.mark.engine

SOURCE = "FROM ftl-lab-busybox\nRUN --mount=type=cache,target=/c true\n"


@pytest.fixture
def without_buildkit(tmp_path: Path) -> str:
    """A PATH whose only docker CLI is a new one without the buildx plugin."""
    folder = tmp_path / "only"
    folder.mkdir()
    for program in ("git", "ssh"):
        if path := shutil.which(program):
            (folder / program).symlink_to(path)
    docker = folder / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 28.2.2, build e6534b4"\n')
    docker.chmod(0o755)
    return str(folder)


def test_without_buildkit_the_error_says_how_to_install_it(
    project: Callable[..., Project], without_buildkit: str
) -> None:
    """Nothing is built: the classic builder is not used."""
    made = project({"Dockerfile": SOURCE})
    outcome = made.run("--json", "build", env={"PATH": without_buildkit})
    assert outcome.exit_code == 1
    error = outcome.result["error"]
    assert "has no BuildKit" in error["message"]
    assert error["cause"] == "Docker CLI 28.2 needs the buildx plugin"
    assert "docker-buildx" in error["hint"]


def test_a_cli_without_buildkit_is_skipped(project: Callable[..., Project], without_buildkit: str) -> None:
    """If a CLI without buildx comes first on PATH and one with BuildKit later, the later one builds."""
    made = project({"Dockerfile": SOURCE})
    outcome = made.run("--json", "build", env={"PATH": f"{without_buildkit}:{os.environ['PATH']}"}).ok()
    assert warnings(outcome) == []
