"""Checks of this machine's docker command and engine."""

from __future__ import annotations

import pytest

from ftl.config.models.project import Build
from ftl.engine.values import EngineInfo
from ftl.errors import BuildFailed, EngineUnavailable
from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli
from ftl.server.doctor.checks.local import BuildNeeds, judge_builder, judge_engine
from tests.unit.deploy.world import project, service

NOTHING, BUILDS = BuildNeeds(), BuildNeeds(builds=True, builds_here=True)
MISSING = BuildFailed("there is no docker CLI on PATH to build with", hint="install it")
NO_BUILDKIT = BuildFailed(
    "`docker` has no BuildKit", cause="Docker CLI 28.2 needs the plugin", hint="install it"
)
SILENT = EngineUnavailable("no Docker engine answers on this machine", cause="no such file")


@pytest.mark.parametrize(
    ("builder", "needs", "level"),
    [
        (BuildKitCli("/usr/bin/docker", "buildx"), BUILDS, "ok"),
        (BuildKitCli("/usr/bin/docker", "buildkit"), BUILDS, "ok"),
        (NO_BUILDKIT, BUILDS, "problem"),
        (NO_BUILDKIT, NOTHING, "ok"),
        (MISSING, BUILDS, "problem"),
        (MISSING, NOTHING, "ok"),
    ],
)
def test_the_builder(builder: BuildKitCli | BuildFailed, needs: BuildNeeds, level: str) -> None:
    """A missing CLI or BuildKit is a problem only where the project builds images."""
    found = judge_builder(builder, needs)
    assert found.level == level
    assert found.fix is not None or level == "ok"


@pytest.mark.parametrize(("needs", "level"), [(BUILDS, "problem"), (NOTHING, "ok")])
def test_no_engine(needs: BuildNeeds, level: str) -> None:
    """A missing engine is a problem only where the project builds images."""
    assert judge_engine(SILENT, needs).level == level


def test_an_engine() -> None:
    """Its version, platform and store are shown."""
    info = EngineInfo("28.5.2", "1.51", "linux/arm64", "containerd", "/var/lib/docker")
    assert judge_engine(info, BUILDS).what == "Docker 28.5.2, linux/arm64, containerd"


def test_a_project_that_is_built_elsewhere_needs_no_engine_here() -> None:
    """With `build.on` the docker command is needed, and its engine is the builder's."""
    needs = BuildNeeds.of(project(service(build=Build(on="server"))))
    assert needs == BuildNeeds(builds=True, builds_here=False)
    assert judge_engine(SILENT, needs).level == "ok"
