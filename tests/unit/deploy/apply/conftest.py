"""A server for the script that replaces containers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.deploy.apply.replacement_server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server whose commands are the ones on the path of this process."""
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    server = Server(tmp_path)
    yield server
    server.close()
