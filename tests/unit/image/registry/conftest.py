"""Fixtures of the registry tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.image.registry.docker_home import DockerHome

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> DockerHome:
    """A home folder with an empty Docker configuration."""
    return DockerHome(tmp_path)
