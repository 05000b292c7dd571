"""When a container counts as healthy: the check as data, and the wait for it.

Probes come from the network, as the proxy's requests will: a program inside the image is never needed. A check
without a path is met when the port accepts connections; with one, when GET answers 2xx. Docker's own health
check must agree where ftl.yaml sets one; one that the image brings along is not asked.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.events import Probed
from ftl.health.diagnosis import Ended, Silent, ended, explain
from ftl.health.probe import Outcome, probe_http, probe_port

if TYPE_CHECKING:
    from ftl.engine import ContainerState, Engine
    from ftl.events import Emit
    from ftl.ssh.machine import Machine

SETTLE = 3.0
"""Seconds that a container without a port must keep running to count as up."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
"""Seconds between probes: short at first, since most containers are up at once, then no more than this."""


@dataclass(frozen=True, slots=True)
class Check:
    """How one container's health is asked. Times are seconds.

    Attributes:
        ports: All of them must accept connections; none: it must keep running.
        path: Ask for this on the first port, and want 2xx.
        host: The Host header of that request.
        https: Say that the request came by HTTPS, as the proxy will (X-Forwarded-Proto).
        interval: The longest pause between two probes.
        timeout: How long one probe may take.
        retries: With `interval`, how long the wait may last after `start_period`.
        inside: Seconds that Docker's own check may take on top, where ftl.yaml sets one; None where it does not.
    """

    ports: tuple[int, ...] = ()
    path: str | None = None
    host: str = "localhost"
    https: bool = False
    interval: float = 1.0
    timeout: float = 5.0
    retries: int = 30
    start_period: float = 0.0
    inside: float | None = None

    @property
    def allowance(self) -> float:
        """Seconds after which an unhealthy container is given up."""
        return self.start_period + self.interval * self.retries + (self.inside or 0.0)

    def __str__(self) -> str:
        if self.path is not None:
            return f"GET :{self.ports[0]}{self.path}"
        if self.ports:
            return "port " + ", ".join(map(str, self.ports))
        return "keeps running"


async def wait_healthy(
    engine: Engine, machine: Machine, *, service: str, container: str, check: Check, emit: Emit
) -> None:
    """Return when the container is healthy.

    Raises:
        Unhealthy: It ended, or the check's allowance is over; says why, with the last log lines.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    pause = FIRST_PAUSE
    while True:
        state = await engine.container(container)
        if state is None or ended(state):
            raise await explain(engine, machine, service, container, Ended())
        outcome = await ask(engine, machine, state, check, waited=loop.time() - began)
        waited = loop.time() - began
        emit(Probed(service, container, outcome.text, outcome.ok, waited, check.allowance))
        if outcome.ok:
            return
        if waited >= check.allowance or outcome.final:
            raise await explain(engine, machine, service, container, Silent(check.ports, outcome))
        await asyncio.sleep(min(pause, check.interval))
        pause = min(pause * 1.5, LONGEST_PAUSE)


async def ask(
    engine: Engine, machine: Machine, state: ContainerState, check: Check, *, waited: float
) -> Outcome:
    """Probe a container once; `waited` is how many seconds it has been running under our eyes."""
    if check.inside is not None and state.health == "unhealthy":
        return Outcome(
            False, f"Docker's health check failed: {state.health_log.strip() or 'no output'}", final=True
        )
    if check.inside is not None and state.health == "starting":
        return Outcome(False, "Docker's health check has not passed yet")
    if not check.ports:
        return Outcome(waited >= SETTLE, "running" if waited >= SETTLE else "starting")
    if not state.endpoints:
        return Outcome(False, "it is in no network")
    address = state.endpoints[0].address
    if check.path is not None:
        return await probe_http(
            machine,
            address,
            check.ports[0],
            path=check.path,
            host=check.host,
            https=check.https,
            timeout=check.timeout,
        )
    for port in check.ports:
        outcome = await probe_port(
            machine, address, port, timeout=check.timeout, settled=lambda: engine.container(state.id)
        )
        if not outcome.ok:
            return outcome
    return Outcome(True, "accepts connections")
