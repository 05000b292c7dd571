"""A place on the engine for each test."""

from __future__ import annotations

import pytest
from tests.e2e.engine.stage import Bench


@pytest.fixture
def bench(engine: str, busybox: str, testrun_uid: str, worker_id: str) -> Bench:
    """A place for the test's containers, networks and volumes."""
    return Bench(engine, busybox, f"ftl-engine-{testrun_uid[:8]}-{worker_id}")
