"""Containers that answer as a test says, and a wait for their health."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.errors import Unhealthy
from ftl.events import Probed
from ftl.health.spec import HealthSpec
from ftl.health.wait import wait_healthy
from tests.unit.health.stage import NAME, OK, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.events import Event


HTTP = HealthSpec(ports=(8000,), path="/up", interval=1, timeout=2, retries=10, settle=0)


TCP = replace(HTTP, path=None)


FAILING = b"HTTP/1.1 503 Not Yet\r\nContent-Length: 8\r\n\r\nmigrates"


def now() -> float:
    """Seconds since the test began."""
    return asyncio.get_running_loop().time()


async def wait(made: Stage, spec: HealthSpec) -> list[Probed]:
    """Wait for the container; what was probed meanwhile."""
    events: list[Event] = []
    await wait_healthy(
        made.engine, made.machine, service="web", container=NAME, check=spec, emit=events.append
    )
    return [event for event in events if isinstance(event, Probed)]


async def fail(made: Stage, spec: HealthSpec) -> Unhealthy:
    """Wait for a container that does not become healthy; the error."""
    with pytest.raises(Unhealthy) as raised:
        await wait(made, spec)
    return raised.value


def later(ready: float) -> Callable[[], bytes]:
    """Answers that fail until `ready`, and then are well."""
    return lambda: OK if now() >= ready else FAILING
