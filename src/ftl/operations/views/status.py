"""Status of a project on its server: running containers, health, ports. Read-only."""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather, gather2
from ftl.dataclass import dataclass
from ftl.deploy.observe.state import observe
from ftl.deploy.plan.pins import configured_reference
from ftl.deploy.urls import urls
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.figures import utc
from ftl.health.probe import ProbeResult, docker_verdict, probe_ports, with_docker_check
from ftl.health.spec import HealthSpec, dependency_health, service_health
from ftl.host.jobs import job_states
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.config import Project
    from ftl.deploy.observe.state import Observed
    from ftl.engine.values import Container, ContainerState
    from ftl.host.jobs import JobState
    from ftl.host.session import Session

PROBE_TIMEOUT = 3.0
"""Limit of one health probe in seconds, also where the project allows more."""

ALL_ADDRESSES = ("", "0.0.0.0")  # noqa: S104 - as the engine writes it; nothing is bound here

Kind = Literal["service", "dependency", "proxy", "run"]

UNREACHED = "nobody can reach it: the proxy does not know its live release"
MISSING = "missing: nobody can reach the site"


@dataclass(frozen=True, slots=True)
class Unit:
    """A service at one release, a dependency, the proxy, or a command that `ftl run` started.

    Attributes:
        release: The release of its containers; None for a dependency and the proxy.
        live: Whether requests go to it. Containers of a release that is not live are left over, or a deploy
            is under way.
        running: Number of its containers that run.
        wanted: Number of containers that ftl.yaml asks for; 0 where it is no longer in ftl.yaml.
        healthy: Whether all of its containers run and pass their probe; None where it has none.
        health: "healthy", or the reason why not: "500 Internal Server Error", "exited (1)".
        since: Start of the youngest of its running containers: RFC 3339, empty where none runs.
        ports: "8000" inside the network, "127.0.0.1:49153->5432" where the server itself listens.
        restarts: How often the engine restarted its containers after an exit.
        containers: IDs of its containers.
    """

    name: str
    kind: Kind
    release: str | None
    live: bool
    running: int
    wanted: int
    image: str
    healthy: bool | None
    health: str
    since: str
    ports: tuple[str, ...]
    restarts: int = 0
    containers: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """The release that went live last, from its record.

    Attributes:
        time: When it went live: RFC 3339.
        by: Who deployed it.
        commit: The full hash; "-dirty" at its end means uncommitted changes.
        subject: First line of the commit's message.
    """

    release: str
    time: str
    by: str
    commit: str | None
    subject: str


@dataclass(frozen=True, slots=True)
class Status:
    """A project on its server.

    Attributes:
        release: The youngest release that is live; None where none is.
        live: The release that went live last; None where no record says so.
        urls: Where the project answers.
        hold: Why nobody shall deploy, from `ftl rollback --hold`; None: everybody may.
        maintenance: Whether visitors get 503, from `ftl maintenance on`.
    """

    project: str
    server: str
    engine: str
    release: str | None
    units: tuple[Unit, ...]
    jobs: tuple[JobState, ...] = ()
    live: LiveRelease | None = None
    urls: tuple[str, ...] = ()
    hold: str | None = None
    maintenance: bool = False

    @property
    def deployed(self) -> bool:
        """Whether the project has any container on the server."""
        return any(unit.running or unit.image for unit in self.units if unit.kind not in ("proxy", "run"))


@dataclass(frozen=True, slots=True)
class _Members:
    """The containers of one unit, and how their health is checked.

    Attributes:
        problem: Why it does not work, whatever its containers say; empty for nothing.
    """

    name: str
    kind: Kind
    release: str | None
    live: bool
    wanted: int
    check: HealthSpec
    containers: tuple[Container, ...]
    problem: str = ""


async def status(project: Project, session: Session, observed: Observed | None = None) -> Status:
    """Observe the server and probe every running container once.

    Args:
        project: The project.
        session: Its server.
        observed: What was observed just now; None: it is observed.

    Raises:
        ServerError, EngineError: The server does not answer.
    """
    if observed is None:
        observed = await observe(session.engine, session.info, project.name, session.name)
    every = [
        *_services(project, observed),
        *_dependencies(project, observed),
        *_proxy(project, observed),
        *_runs(observed),
    ]
    units, jobs = await gather2(
        gather(_unit(session, members) for members in every),
        job_states(session.engine, observed.of_role(labels.ROLE_JOB)),
    )
    releases = [unit.release for unit in units if unit.live and unit.release]
    return Status(
        project=project.name,
        server=session.name,
        engine=session.info.version,
        release=max(releases, key=release_number, default=None),
        units=tuple(units),
        jobs=jobs,
        live=_live(observed),
        urls=urls(project),
        hold=observed.hold.reason if observed.hold is not None else None,
        maintenance=observed.site is not None and observed.site.maintenance is not None,
    )


def _live(observed: Observed) -> LiveRelease | None:
    record = observed.live_record
    if record is None:
        return None
    time = utc(record.switched or record.started + record.seconds)
    return LiveRelease(record.release, time, record.by, record.commit, record.subject)


def _services(project: Project, observed: Observed) -> Iterable[_Members]:
    """Each service's live release and its other releases; then services that are no longer in ftl.yaml."""
    for service in project.services:
        live = observed.live_release(service.name)
        check = service_health(project, service)
        by_release = _by_release(observed.services, service.name)
        current = by_release.pop(live, ()) if live else ()
        lost = current and service.proxied_port and observed.proxy and not observed.live_alias(service.name)
        problem = UNREACHED if lost else ""
        yield _Members(
            service.name, "service", live, live is not None, service.replicas, check, current, problem
        )
        for release, containers in by_release.items():
            yield _Members(service.name, "service", release, False, 0, check, containers)
    known = {service.name for service in project.services}
    for name in sorted({container.labels[labels.SERVICE] for container in observed.services} - known):
        for release, containers in _by_release(observed.services, name).items():
            serves = observed.live_release(name) == release
            yield _Members(name, "service", release, serves, 0, HealthSpec(), containers)


def _by_release(containers: Sequence[Container], service: str) -> dict[str, tuple[Container, ...]]:
    by_release: dict[str, tuple[Container, ...]] = {}
    for container in containers:
        if container.labels[labels.SERVICE] == service:
            release = container.labels.get(labels.RELEASE, "")
            by_release[release] = (*by_release.get(release, ()), container)
    return by_release


def _dependencies(project: Project, observed: Observed) -> Iterable[_Members]:
    unknown = dict(observed.dependencies)
    for dependency in project.dependencies:
        container = unknown.pop(dependency.name, None)
        containers = () if container is None else (container,)
        yield _Members(
            dependency.name, "dependency", None, True, 1, dependency_health(dependency), containers
        )
    for name, container in sorted(unknown.items()):
        yield _Members(name, "dependency", None, False, 0, HealthSpec(), (container,))


def _proxy(project: Project, observed: Observed) -> Iterable[_Members]:
    """The proxy; a service that needs one and runs without it is unreachable."""
    state = observed.proxy
    if state is not None:
        containers = tuple(one for one in observed.containers if one.id == state.container)
        yield _Members("proxy", "proxy", None, True, 1, HealthSpec(), containers)
    elif any(service.proxied_port and observed.serves(service.name) for service in project.services):
        yield _Members("proxy", "proxy", None, True, 1, HealthSpec(), (), MISSING)


def _runs(observed: Observed) -> Iterable[_Members]:
    """Each command that `ftl run` started and that still runs."""
    for container in sorted(observed.of_role(labels.ROLE_RUN), key=lambda one: one.name):
        name = container.name.removeprefix(f"{observed.project}-")
        release = container.labels.get(labels.RELEASE)
        yield _Members(name, "run", release, True, 0, HealthSpec(), (container,))


async def _unit(session: Session, members: _Members) -> Unit:
    results = await gather(_check(session, members.check, container) for container in members.containers)
    running = [result for result in results if result.running]
    unhealthy = [result for result in results if not result.healthy]
    return Unit(
        name=members.name,
        kind=members.kind,
        release=members.release,
        live=members.live,
        running=len(running),
        wanted=members.wanted,
        image=configured_reference(members.containers[0].image) if members.containers else "",
        healthy=False if members.problem else not unhealthy if results else None,
        health=members.problem or _summary(results, unhealthy),
        since=max((result.since for result in running), default=""),
        ports=_ports(members.containers, members.check.ports),
        restarts=sum(result.restarts for result in results),
        containers=tuple(container.id for container in members.containers),
    )


def _summary(results: Sequence[_ContainerHealth], unhealthy: Sequence[_ContainerHealth]) -> str:
    """Health in words: the first reason why not, else a remark about one that is healthy."""
    if not results:
        return "not running"
    return unhealthy[0].health if unhealthy else max((result.health for result in results), key=len)


@dataclass(frozen=True, slots=True)
class _ContainerHealth:
    """State and health of one container."""

    running: bool
    healthy: bool
    health: str
    since: str
    restarts: int = 0


async def _check(session: Session, check: HealthSpec, container: Container) -> _ContainerHealth:
    """Inspect a container and, if it runs, probe it once; at the same time, by its address in the list.

    One that the engine restarted in the last ten minutes is unhealthy: it may answer between two exits.
    """
    bounded = replace(check, timeout=min(check.timeout, PROBE_TIMEOUT))
    ports = replace(bounded, ports=()) if container.state != "running" else bounded
    state, probed = await gather2(session.engine.container(container.id), _probe(session, container, ports))
    if state is None:
        return _ContainerHealth(False, False, "removed", "")
    if state.restarting or not state.running:
        return _ContainerHealth(False, False, _down_reason(state), "", state.restarts)
    result = docker_verdict(state, bounded) or with_docker_check(probed, state)
    if result.ok and state.restarts and _RECENTLY.match(container.status):
        times = "once" if state.restarts == 1 else f"{state.restarts} times"
        age = container.status.partition(" (")[0].removeprefix("Up ").lower()
        result = replace(result, ok=False, text=f"it exits: restarted {times}, {age} ago")
    return _ContainerHealth(True, result.ok, _health(result), state.started, state.restarts)


async def _probe(session: Session, container: Container, check: HealthSpec) -> ProbeResult:
    """The ports' answer; an error of the connection to them is one, too."""
    try:
        return await probe_ports(session.engine, session.machine, container.id, container.endpoints, check)
    except FtlError as error:
        return ProbeResult(False, error.message)


# "Up 12 seconds (healthy)": go-units' HumanDuration, by the server's clock. Ten minutes at most.
_RECENTLY = re.compile(r"Up (Less than a second|\d+ seconds?|About a minute|(\d|10) minutes)\b")


def _health(result: ProbeResult) -> str:
    """Result of a probe in words; an image's own check is told of where it fails."""
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


def _ports(containers: Sequence[Container], inside: Sequence[int]) -> tuple[str, ...]:
    """Ports that the server listens on for a unit, and ports inside the network that it does not publish."""
    published = sorted(
        (port.host_port, port.host_address, port.container_port, port.protocol)
        for container in containers
        for port in container.published
        if port.host_port and port.host_address != "::"  # the same port again, for IPv6
    )
    targets = {target for _, _, target, _ in published}
    listening = []
    for port, address, target, protocol in published:
        where = f"{port}" if address in ALL_ADDRESSES else f"{address}:{port}"
        listening.append(f"{where}->{target}" + ("/udp" if protocol == "udp" else ""))
    return (*(str(port) for port in inside if port not in targets), *dict.fromkeys(listening))
