"""Apps as tables of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.onboarding.new_files import write
from ftl.onboarding.starter import StarterOptions, make_start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.onboarding.starter import StarterFiles


class Begin(Protocol):
    """Write an app's files, run `make_start` on them, write its files, and load the project."""

    def __call__(
        self, files: Mapping[str, str], answers: StarterOptions | None = None
    ) -> tuple[StarterFiles, Project]: ...


def put_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files, with the folders that they need."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """The result of `ftl init` in a folder with these files."""

    def run(files: Mapping[str, str], answers: StarterOptions | None = None) -> tuple[StarterFiles, Project]:
        folder = put_files(tmp_path / "shop", files)
        start = make_start(folder, answers or StarterOptions())
        write(folder, start.files, file="ftl.yaml")
        return start, load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {})))

    return run
