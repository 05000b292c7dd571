"""State and health of a project's containers, checked once. Read-only."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.engine.values import ContainerState, Endpoint
from ftl.errors import FtlError
from ftl.health.probe import ProbeResult, at_gateway, docker_verdict, probe_ports, with_docker_check
from ftl.health.spec import HealthSpec, dependency_health, service_health

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from ftl.config.models.project import Project
    from ftl.engine.api import Engine
    from ftl.engine.values import Container
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
        returns: Whether a reboot of the server starts it again, where it runs and ftl.yaml wants that.
    """

    running: bool
    healthy: bool
    health: str
    since: str
    restarts: int = 0
    returns: bool = True


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """Target of a health probe: all that its result depends on.

    Attributes:
        address: Where it is probed; None in no network.
    """

    id: str
    role: str
    service: str
    running: bool
    address: str | None

    @classmethod
    def of(cls, container: Container) -> ProbeTarget:
        """The subject that a listed container is."""
        return cls(
            container.id,
            container.role,
            container.labels.get(labels.SERVICE, ""),
            container.state == "running",
            container.endpoints[0].address if container.endpoints else None,
        )

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Its address as `probe_ports` takes it."""
        return () if self.address is None else (Endpoint("", self.address),)


CheckInputs = tuple[ContainerState | None, ProbeResult]
"""Answers of the engine and of the ports about one container."""


def health_spec(project: Project, role: str, name: str) -> HealthSpec:
    """The check of a service or dependency of ftl.yaml; of any other container, that it runs."""
    specs: Iterable[HealthSpec] = ()
    if role == labels.ROLE_SERVICE:
        specs = (service_health(project, each) for each in project.services if each.name == name)
    elif role == labels.ROLE_DEPENDENCY:
        specs = (dependency_health(each) for each in project.dependencies if each.name == name)
    return next(iter(specs), HealthSpec())


async def check_containers(
    project: Project,
    engine: Engine,
    machine: Machine,
    listed: Iterable[Container],
    *,
    overlay: bool = False,
    early: Mapping[ProbeTarget, Awaitable[CheckInputs | None]] | None = None,
) -> dict[str, ContainerHealth]:
    """Check all of a project's containers, and the proxy's, side by side; the results by ID.

    Jobs are left out: they run when cron starts them. The addresses of an overlay are not reached by their own server.
    `early` checks have begun already.
    """

    async def check(container: Container) -> ContainerHealth:
        subject = ProbeTarget.of(container)
        if overlay and subject.running and _bounded_spec(project, subject).ports:
            subject = ProbeTarget.of(await _reachable(engine, container))
        answers = await begun if early and (begun := early.get(subject)) is not None else None
        return _verdict(project, container, answers or await ask(project, engine, machine, subject))

    own = [container for container in listed if belongs(container, project.name)]
    results = await gather(check(container) for container in own)
    return {container.id: result for container, result in zip(own, results, strict=True)}


def belongs(container: Container, project: str) -> bool:
    """Whether a container belongs to a project and is checked, or is the proxy."""
    own = container.role in _ROLES and container.project == project
    return own or container.role == labels.ROLE_PROXY


def _bounded_spec(project: Project, subject: ProbeTarget) -> HealthSpec:
    spec = health_spec(project, subject.role, subject.service)
    return replace(spec, timeout=min(spec.timeout, PROBE_TIMEOUT))


async def ask(project: Project, engine: Engine, machine: Machine, subject: ProbeTarget) -> CheckInputs:
    """Inspect a container and, if it runs, probe it once at its address; side by side."""
    spec = _bounded_spec(project, subject)
    ports = spec if subject.running else replace(spec, ports=())
    return await gather2(engine.container(subject.id), _probe(engine, machine, subject, ports))


def _verdict(project: Project, container: Container, answers: CheckInputs) -> ContainerHealth:
    """The health of a container.

    One that the engine restarted in the last ten minutes is unhealthy: it may answer between two exits.
    """
    state, probed = answers
    if state is None:
        return ContainerHealth(False, False, "removed", "")
    if state.restarting or not state.running:
        return ContainerHealth(False, False, _down_reason(state), "", state.restarts)
    spec = _bounded_spec(project, ProbeTarget.of(container))
    result = docker_verdict(state, spec) or with_docker_check(probed, state)
    if result.ok and state.restarts and re.match(_RECENTLY, container.status):
        times = "once" if state.restarts == 1 else f"{state.restarts} times"
        age = container.status.partition(" (")[0].removeprefix("Up ").lower()
        result = replace(result, ok=False, text=f"it exits: restarted {times}, {age} ago")
    wanted = container.labels.get(labels.RESTART, "no" if container.role == labels.ROLE_RUN else "always")
    returns = wanted == "no" or state.restart_policy != "no"
    return ContainerHealth(True, result.ok, _health(result), state.started, state.restarts, returns)


async def _reachable(engine: Engine, container: Container) -> Container:
    """A container of an overlay, with the address at which its server reaches it."""
    state = await engine.container(container.id)
    endpoints = (await at_gateway(engine, state)).endpoints if state is not None else ()
    return replace(container, endpoints=endpoints)


async def _probe(engine: Engine, machine: Machine, subject: ProbeTarget, spec: HealthSpec) -> ProbeResult:
    """The ports' answer; an error of the connection to them is one, too."""
    try:
        return await probe_ports(engine, machine, subject.endpoints, spec)
    except FtlError as error:
        return ProbeResult(False, error.message)


def _health(result: ProbeResult) -> str:
    """Result of a probe as text; an image's own check is named where it fails."""
    if not result.ok:
        return result.text
    return f"healthy ({result.note})" if result.note else "healthy"


def _down_reason(state: ContainerState) -> str:
    """Reason for which a container does not run."""
    if state.restarting:
        return f"restarting (exited {state.exit_code})"
    if state.oom_killed:
        return "out of memory"
    return f"exited ({state.exit_code})" if state.started else "never started"
