"""Fixtures of tests of operations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ssh_config(user: dict[str, str]) -> Iterator[Path]:
    """The user's configuration of ssh; what a test adds to it is gone afterwards."""
    config = Path(user["HOME"], ".ssh", "config")
    before = config.read_text()
    yield config
    config.write_text(before)
