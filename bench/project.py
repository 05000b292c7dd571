"""Project to deploy, and a user without ssh configuration and known hosts."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.server import docker
from tests.harness import Project, environment

if TYPE_CHECKING:
    from collections.abc import Iterator


def run_name(stem: str) -> str:
    """A name that no other run has, for projects and for the lab."""
    return f"{stem}-{os.getpid():x}"


@contextmanager
def temporary_project(name: str) -> Iterator[Project]:
    """An empty folder for the project `name`; at the end the images that were built for it go, too."""
    with tempfile.TemporaryDirectory(prefix="ftl-bench-") as folder:
        made = Project(Path(folder, "project"), environment(Path(folder, "home")))
        made.folder.mkdir()
        try:
            yield made
        finally:
            remove_images(name)


def remove_images(project: str) -> None:
    """Remove what was built for a project from this machine's engine."""
    images = docker("images", "--quiet", "--filter", f"label=ftl.project={project}").stdout.decode().split()
    if images:
        docker("rmi", "--force", *sorted(set(images)))
