"""Fixtures for tests of the engine package."""

from __future__ import annotations

import pytest
from tests.e2e.support.engine import EngineTestbed


@pytest.fixture
def testbed(engine: str, busybox: str, testrun_uid: str, worker_id: str) -> EngineTestbed:
    """A testbed for the test's containers, networks and volumes."""
    return EngineTestbed(engine, busybox, f"ftl-engine-{testrun_uid[:8]}-{worker_id}")
