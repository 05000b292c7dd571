"""Wait for a container to become healthy, within the allowance of its health spec."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.events import Probed
from ftl.health.diagnosis import Exited, Unresponsive, diagnose, has_exited
from ftl.health.probe import probe

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.health.spec import HealthSpec
    from ftl.ssh.machine import Machine

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
"""Seconds between probes: most containers are up at once, so pauses start short and grow."""


async def wait_healthy(
    engine: Engine,
    machine: Machine,
    *,
    service: str,
    container: str,
    check: HealthSpec,
    emit: Emit,
) -> None:
    """Return when the container is healthy.

    Raises:
        Unhealthy: It exited, or the allowance is over; gives the reason and the last log lines.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    pause = FIRST_PAUSE
    while True:
        state = await engine.container(container)
        if state is None or has_exited(state):
            raise await diagnose(engine, machine, service, container, Exited())
        result = await probe(engine, machine, state, check, running_seconds=loop.time() - started)
        waited = loop.time() - started
        emit(Probed(service, container, result.text, result.ok, waited, check.allowance))
        if result.ok:
            return
        if waited >= check.allowance or result.final:
            symptom = Unresponsive(check.ports, result)
            raise await diagnose(engine, machine, service, container, symptom)
        await asyncio.sleep(min(pause, check.interval))
        pause = min(pause * 1.5, LONGEST_PAUSE)
