"""Builders without BuildKit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.e2e.building.stage import SOURCE, built, warnings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness import Project

pytestmark = pytest.mark.engine


@pytest.fixture
def without_buildkit(tmp_path: Path) -> dict[str, str]:
    """A PATH whose only docker CLI is a new one without buildx: nothing but the classic builder is left."""
    folder = tmp_path / "only"
    folder.mkdir()
    for program in ("git", "ssh"):
        if found := shutil.which(program):
            (folder / program).symlink_to(found)
    wrapper = folder / "docker"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$1" in\n--version) echo "Docker version 28.2.2, build e6534b4" ;;\nbuildx) exit 1 ;;\n'
        f'*) exec {older_cli()} "$@" ;;\nesac\n'
    )
    wrapper.chmod(0o755)
    return {"PATH": str(folder)}


def older_cli() -> str:
    """A docker CLI of this machine that still has the classic builder."""
    for folder in os.environ["PATH"].split(os.pathsep):
        path = shutil.which("docker", path=folder)
        if path is not None:
            shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            if re.search(r"version (?:1[89]|2[0-8])\.", shown):
                return path
    pytest.skip("this machine's docker CLI has no classic builder")


def test_the_classic_builder_does_where_buildkit_is_not(
    project: Callable[..., Project], name: str, without_buildkit: dict[str, str]
) -> None:
    """It builds, says what it would rather have, and knows its cache as well."""
    made = project({"Dockerfile": SOURCE, ".dockerignore": "Dockerfile\nftl.yaml\n", "marker": name})
    outcome = made.run("--json", "build", env=without_buildkit).ok()
    assert [hint for text, hint in warnings(outcome) if "no BuildKit" in text and "buildx" in hint]
    assert outcome.result["services"]["web"]["built"]
    again = built(made, env=without_buildkit)["web"]
    assert (again["built"], again["first_miss"]) == (False, None)
    made.write({"requirements.txt": f"{name}\n"})
    changed = built(made, env=without_buildkit)["web"]
    assert (changed["first_miss"], changed["miss_reason"]) == (
        "line 3: COPY requirements.txt .", "requirements.txt changed",
    )  # fmt: skip


def test_the_classic_builders_failures_read_alike(
    project: Callable[..., Project], without_buildkit: dict[str, str]
) -> None:
    """The same line, status and output as with BuildKit."""
    made = project({"Dockerfile": "FROM ftl-lab-busybox\nRUN echo last words; exit 3\n"})
    error = made.run("--json", "build", env=without_buildkit).result["error"]
    assert error["message"] == "Dockerfile:2: a build step failed (RUN echo last words; exit 3)"
    assert (error["cause"], error["details"]) == ("it ended with status 3", ["last words"])


def test_secrets_without_buildkit_are_refused(
    project: Callable[..., Project], without_buildkit: dict[str, str]
) -> None:
    """They are never turned into build args."""
    made = project(
        {"Dockerfile": SOURCE}, {"web": {"build": {"context": ".", "secrets": [{"id": "x", "env": "HOME"}]}}}
    )
    outcome = made.run("build", env=without_buildkit)
    assert outcome.exit_code == 1
    assert "build secrets need BuildKit" in outcome.stderr


def test_a_cli_that_refuses_buildkit_is_passed_over(
    project: Callable[..., Project], without_buildkit: dict[str, str]
) -> None:
    """A new CLI without buildx comes first on PATH, an older one with BuildKit later: BuildKit it is."""
    path = f"{without_buildkit['PATH']}:{os.environ['PATH']}"
    made = project({"Dockerfile": "FROM ftl-lab-busybox\nRUN --mount=type=cache,target=/c true\n"})
    outcome = made.run("--json", "build", env={"PATH": path}).ok()
    assert warnings(outcome) == []
