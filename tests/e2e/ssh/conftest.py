"""A real sshd on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server that lets us in."""
    server = Sshd(tmp_path)
    server.start()
    yield server
    server.stop()
