"""The releases of a project, as `ftl releases` lists them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.observe.observer import DOCKER_OBSERVER
from ftl.operations.views.releases import releases
from ftl.releases.record import ReleaseRecord
from tests.support.clock import run
from tests.unit.deploy import cluster
from tests.unit.locks.managers import managers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.host.fleet import Fleet
    from ftl.ssh.machine import Machine


@pytest.mark.parametrize(
    ("answers", "outcome"), [(("free", "free"), "interrupted"), (("free", "held ann@a"), "started")]
)
def test_a_release_is_under_way_while_any_manager_is_locked(answers: tuple[str, ...], outcome: str) -> None:
    """Who makes it may not reach the first one."""

    @asynccontextmanager
    async def connect(_machines: Sequence[Machine], _emit: object) -> AsyncIterator[Fleet]:
        yield managers(*answers)

    async def observe(_fleet: Fleet, _project: str, _servers: Sequence[ClusterServer]) -> Observed:
        return replace(cluster.observed(cluster.cluster()), releases=(ReleaseRecord("r1", "started", 1.0),))

    async def work() -> str:
        observer = replace(DOCKER_OBSERVER, connect=connect, observe=observe)
        (row,), _ = await releases("shop", [], emit=lambda _event: None, observer=observer)
        return row.outcome

    assert run(work()) == outcome
