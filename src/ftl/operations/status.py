"""What of a project runs on a server, and how it is. Read-only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather
from ftl.deploy.observe.state import observe
from ftl.deploy.plan.checks import dependency_check, service_check
from ftl.deploy.plan.pins import configured_reference
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.health.wait import Check, ask
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.config import Project
    from ftl.deploy.observe.state import Observed
    from ftl.engine import Container, ContainerState
    from ftl.host.session import Session

PATIENCE = 3.0
"""Seconds that a container has to answer its health check here."""

EVERYWHERE = ("", "0.0.0.0")  # noqa: S104 - what the engine writes; nothing is bound here

Kind = Literal["service", "dependency", "proxy"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A service at one release, a dependency, or the proxy.

    Attributes:
        release: The release of its containers; None for what has none.
        live: Whether requests go to it. Containers of a release that is not live are left over, or a deploy
            is under way.
        running: How many of its containers run.
        wanted: How many ftl.yaml asks for; 0 where it is not in ftl.yaml any more.
        healthy: Whether all that run answer as they should; None where nothing runs.
        health: The same in words: "healthy", "500 Internal Server Error", "exited (1)".
        since: When the youngest of its running containers started: RFC 3339, empty where none runs.
        ports: "8000" inside, "127.0.0.1:49153->5432" where the server itself listens.
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


@dataclass(frozen=True, slots=True)
class Status:
    """A project on its server.

    Attributes:
        release: The youngest release that is live; None where none is.
    """

    project: str
    server: str
    engine: str
    release: str | None
    units: tuple[Unit, ...]

    @property
    def deployed(self) -> bool:
        """Whether any container of the project is there."""
        return any(unit.running or unit.image for unit in self.units if unit.kind != "proxy")


@dataclass(frozen=True, slots=True)
class _Group:
    """The containers that make a unit, and how they are asked."""

    name: str
    kind: Kind
    release: str | None
    live: bool
    wanted: int
    check: Check
    containers: tuple[Container, ...]


async def status(project: Project, session: Session) -> Status:
    """Look at what there is, and ask every running container for its health once.

    Raises:
        ServerError, EngineError: The server does not answer.
    """
    observed = await observe(session.engine, session.info, project.name, session.name)
    groups = [*_services(project, observed), *_dependencies(project, observed), *_proxy(observed)]
    units = await gather(_unit(session, group) for group in groups)
    releases = [unit.release for unit in units if unit.live and unit.release]
    return Status(
        project=project.name,
        server=session.name,
        engine=session.info.version,
        release=max(releases, key=release_number, default=None),
        units=tuple(units),
    )


def _services(project: Project, observed: Observed) -> Iterable[_Group]:
    """Every service's live release, then what else of it is there; then what ftl.yaml does not know."""
    for service in project.services:
        live = observed.live_release(service.name)
        check = service_check(project, service)
        found = _by_release(observed.services, service.name)
        current = found.pop(live, ()) if live else ()
        yield _Group(service.name, "service", live, live is not None, service.replicas, check, current)
        for release, containers in found.items():
            yield _Group(service.name, "service", release, False, 0, check, containers)
    known = {service.name for service in project.services}
    for name in sorted({container.labels[labels.SERVICE] for container in observed.services} - known):
        for release, containers in _by_release(observed.services, name).items():
            serves = observed.live_release(name) == release
            yield _Group(name, "service", release, serves, 0, Check(), containers)


def _by_release(containers: Sequence[Container], service: str) -> dict[str, tuple[Container, ...]]:
    found: dict[str, tuple[Container, ...]] = {}
    for container in containers:
        if container.labels[labels.SERVICE] == service:
            release = container.labels.get(labels.RELEASE, "")
            found[release] = (*found.get(release, ()), container)
    return found


def _dependencies(project: Project, observed: Observed) -> Iterable[_Group]:
    there = dict(observed.dependencies)
    for dependency in project.dependencies:
        container = there.pop(dependency.name, None)
        containers = () if container is None else (container,)
        yield _Group(dependency.name, "dependency", None, True, 1, dependency_check(dependency), containers)
    for name, container in sorted(there.items()):
        yield _Group(name, "dependency", None, False, 0, Check(), (container,))


def _proxy(observed: Observed) -> Iterable[_Group]:
    containers = tuple(one for one in observed.containers if one.labels.get(labels.ROLE) == labels.ROLE_PROXY)
    if containers:
        yield _Group("proxy", "proxy", None, True, 1, Check(), containers)


async def _unit(session: Session, group: _Group) -> Unit:
    states = await gather(_look(session, group.check, one) for one in group.containers)
    up = [one for one in states if one.running]
    bad = [one for one in states if not one.healthy]
    return Unit(
        name=group.name,
        kind=group.kind,
        release=group.release,
        live=group.live,
        running=len(up),
        wanted=group.wanted,
        image=configured_reference(group.containers[0].image) if group.containers else "",
        healthy=not bad if states else None,
        health=bad[0].health if bad else "healthy" if states else "not running",
        since=max((one.since for one in up), default=""),
        ports=_ports(group.containers, group.check.ports),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """How one container is."""

    running: bool
    healthy: bool
    health: str
    since: str


async def _look(session: Session, check: Check, container: Container) -> _Look:
    """Inspect a container and, if it runs, ask it."""
    state = await session.engine.container(container.id)
    if state is None:
        return _Look(False, False, "removed", "")
    if state.restarting or not state.running:
        return _Look(False, False, _ended(state), "")
    try:
        patient = replace(check, timeout=min(check.timeout, PATIENCE))
        outcome = await ask(session.engine, session.machine, state, patient, waited=math.inf)
    except FtlError as error:
        return _Look(True, False, error.message, state.started)
    return _Look(True, outcome.ok, "healthy" if outcome.ok else outcome.text, state.started)


def _ended(state: ContainerState) -> str:
    """Why a container does not run."""
    if state.restarting:
        return f"restarting (exited {state.exit_code})"
    if state.oom_killed:
        return "out of memory"
    return f"exited ({state.exit_code})" if state.started else "never started"


def _ports(containers: Sequence[Container], inside: Sequence[int]) -> tuple[str, ...]:
    """Where the server listens for it, and the ports inside that it does not publish."""
    published = sorted(
        (one.host_port, one.host_address, one.container_port, one.protocol)
        for container in containers
        for one in container.published
        if one.host_port and one.host_address != "::"  # the same port again, for IPv6
    )
    hidden = {target for _, _, target, _ in published}
    listening = []
    for port, address, target, protocol in published:
        where = f"{port}" if address in EVERYWHERE else f"{address}:{port}"
        listening.append(f"{where}->{target}" + ("/udp" if protocol == "udp" else ""))
    return (*(str(port) for port in inside if port not in hidden), *dict.fromkeys(listening))
