"""State and health of a project's containers, checked once. Read-only."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.health.probe import ProbeResult, at_gateway, docker_verdict, probe_ports, with_docker_check
from ftl.health.spec import HealthSpec, dependency_health, service_health

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.config import Project
    from ftl.engine.api import Engine
    from ftl.engine.values import Container, ContainerState
    from ftl.ssh.machine import Machine

PROBE_TIMEOUT = 3.0
"""Limit of one health probe in seconds, also where the project allows more."""

_ROLES = (labels.ROLE_SERVICE, labels.ROLE_DEPENDENCY, labels.ROLE_RUN)

# "Up 12 seconds (healthy)": go-units' HumanDuration, by the server's clock. Ten minutes at most.
_RECENTLY = r"Up (Less than a second|\d+ seconds?|About a minute|(\d|10) minutes)\b"


@dataclass(frozen=True, slots=True)
class ContainerHealth:
    """State and health of one container.

    Attributes:
        health: "healthy", or the reason why not.
        since: Its start, if it runs: RFC 3339.
        restarts: How often the engine restarted it after an exit.
    """

    running: bool
    healthy: bool
    health: str
    since: str
    restarts: int = 0


def health_spec(project: Project, role: str, name: str) -> HealthSpec:
    """The check of a service or dependency of ftl.yaml; of any other container, that it runs."""
    if role == labels.ROLE_SERVICE:
        for service in project.services:
            if service.name == name:
                return service_health(project, service)
    if role == labels.ROLE_DEPENDENCY:
        for dependency in project.dependencies:
            if dependency.name == name:
                return dependency_health(dependency)
    return HealthSpec()


async def check_containers(
    project: Project, engine: Engine, machine: Machine, listed: Iterable[Container], *, overlay: bool = False
) -> dict[str, ContainerHealth]:
    """Check all of a project's containers, and the proxy's, side by side; the results by ID.

    Jobs are left out: they run when cron starts them.

    Args:
        project: The project.
        engine: The server's engine.
        machine: The server.
        listed: The containers there.
        overlay: They are in an overlay, whose addresses their own server does not reach.
    """
    own = [container for container in listed if _belongs(container, project.name)]
    results = await gather(_check(project, engine, machine, container, overlay=overlay) for container in own)
    return {container.id: result for container, result in zip(own, results, strict=True)}


def _belongs(container: Container, project: str) -> bool:
    role = container.labels.get(labels.ROLE)
    return role == labels.ROLE_PROXY or (role in _ROLES and container.labels.get(labels.PROJECT) == project)


async def _check(
    project: Project, engine: Engine, machine: Machine, container: Container, *, overlay: bool
) -> ContainerHealth:
    """Inspect a container and, if it runs, probe it once; at the same time, by its address in the list.

    One that the engine restarted in the last ten minutes is unhealthy: it may answer between two exits.
    """
    spec = health_spec(project, container.labels[labels.ROLE], container.labels.get(labels.SERVICE, ""))
    bounded = replace(spec, timeout=min(spec.timeout, PROBE_TIMEOUT))
    ports = replace(bounded, ports=()) if container.state != "running" else bounded
    if overlay and ports.ports:
        container = await _reachable(engine, container)
    state, probed = await gather2(engine.container(container.id), _probe(engine, machine, container, ports))
    if state is None:
        return ContainerHealth(False, False, "removed", "")
    if state.restarting or not state.running:
        return ContainerHealth(False, False, _down_reason(state), "", state.restarts)
    result = docker_verdict(state, bounded) or with_docker_check(probed, state)
    if result.ok and state.restarts and re.match(_RECENTLY, container.status):
        times = "once" if state.restarts == 1 else f"{state.restarts} times"
        age = container.status.partition(" (")[0].removeprefix("Up ").lower()
        result = replace(result, ok=False, text=f"it exits: restarted {times}, {age} ago")
    return ContainerHealth(True, result.ok, _health(result), state.started, state.restarts)


async def _reachable(engine: Engine, container: Container) -> Container:
    """A container of an overlay, with the address at which its server reaches it."""
    state = await engine.container(container.id)
    endpoints = (await at_gateway(engine, state)).endpoints if state is not None else ()
    return replace(container, endpoints=endpoints)


async def _probe(engine: Engine, machine: Machine, container: Container, spec: HealthSpec) -> ProbeResult:
    """The ports' answer; an error of the connection to them is one, too."""
    try:
        return await probe_ports(engine, machine, container.id, container.endpoints, spec)
    except FtlError as error:
        return ProbeResult(False, error.message)


def _health(result: ProbeResult) -> str:
    """Result of a probe in words; an image's own check is named where it fails."""
    if not result.ok:
        return result.text
    return f"healthy ({result.note})" if result.note else "healthy"


def _down_reason(state: ContainerState) -> str:
    """Why a container does not run."""
    if state.restarting:
        return f"restarting (exited {state.exit_code})"
    if state.oom_killed:
        return "out of memory"
    return f"exited ({state.exit_code})" if state.started else "never started"
