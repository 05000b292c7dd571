"""A folder with an app, and helpers that load an ftl.yaml in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.models.project import Project, Server

HEAD = """\
project:
  name: shop
  domain: shop.example.com
  email: ops@example.com
"""
SERVICE = """\
services:
  - name: web
    build: .
    port: 8000
    routes:
      - path: /
"""


class Load(Protocol):
    """Loads a text as ftl.yaml."""

    def __call__(self, text: str, **environ: str) -> Project: ...


class Refuse(Protocol):
    """Loads a text that must be refused; returns what is wrong with it."""

    def __call__(self, text: str | bytes, **environ: str) -> tuple[Problem, ...]: ...


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the cases are written for, as the working directory."""
    for name in ("Dockerfile", "src/Dockerfile", "api/Dockerfile", "web/Dockerfile.prod"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / "shop.env").write_text("FROM_FILE=yes\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def loaded(folder: Path) -> Load:
    """Load a text."""

    def call(text: str, **environ: str) -> Project:
        return load_file(written(folder, text), environ)

    return call


@pytest.fixture
def refused(folder: Path) -> Refuse:
    """Load a text that must be refused."""

    def call(text: str | bytes, **environ: str) -> tuple[Problem, ...]:
        with pytest.raises(ConfigError) as caught:
            load_file(written(folder, text), environ)
        return caught.value.problems

    return call


def load_file(path: Path, environ: Mapping[str, str] | None = None, server: Server | None = None) -> Project:
    """Load a file as a command in this environment does."""
    return load(ProjectFiles(path, read_variables(path.resolve().parent, environ or {})), server=server)


def written(folder: Path, text: str | bytes) -> Path:
    """Write a text as ftl.yaml, its line ends as they are."""
    path = folder / "ftl.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def environ_of(case: Path) -> Mapping[str, str]:
    """The environment in NAME.env beside a case."""
    extra = case.with_suffix(".env")
    lines = extra.read_text().splitlines() if extra.exists() else []
    return dict(line.split("=", 1) for line in lines if line)
