"""A project whose images are removed after its test."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.e2e.building.support import docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.harness import Project


@pytest.fixture
def name(testrun_uid: str, worker_id: str, request: pytest.FixtureRequest) -> str:
    """A project name that no other test or run uses."""
    return f"build-{testrun_uid[:6]}-{worker_id}-{abs(hash(request.node.name)) % 10**6}"


@pytest.fixture
def project(ftl: Callable[..., Project], busybox: str, name: str) -> Iterator[Callable[..., Project]]:
    """Create a project of services and files; its images are removed afterwards."""

    def make(files: Mapping[str, str], services: Mapping[str, Mapping[str, object]] | None = None) -> Project:
        chosen = services or {"web": {"build": "."}}
        config = {
            "project": {"name": name},
            "server": {"host": "local"},
            "services": [{"name": key, "port": 8000, **value} for key, value in chosen.items()],
        }
        return ftl({"ftl.yaml": config, "requirements.txt": "flask\n", **files})

    yield make
    for image in docker("images", "-q", "--filter", f"label=ftl.project={name}").split():
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)
