"""Rows of a status: services by release, dependencies, the proxy, and commands of `ftl run`."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ftl.common.references import configured_reference
from ftl.dataclass import dataclass
from ftl.deploy.observe.swarm import located_container
from ftl.engine import labels
from ftl.operations.views.container_health import health_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.engine.values import Container
    from ftl.operations.views.container_health import ContainerHealth

ALL_ADDRESSES = ("", "0.0.0.0")  # noqa: S104 - as the engine writes it; nothing is bound here

UnitKind = Literal["service", "dependency", "proxy", "run"]
"""Kind of a unit of `ftl status`; `run` is a command that `ftl run` started."""

UNREACHED = "nobody can reach it: the proxy does not know its live release"
MISSING = "missing: nobody can reach the site"
DOUBLED = "on several servers, which all answer to its name"


@dataclass(frozen=True, slots=True)
class Unit:
    """A service at one release, a dependency, the proxy, or a command that `ftl run` started.

    Attributes:
        release: The release of its containers; None for a dependency and the proxy.
        live: Whether requests go to it. Containers of a release that is not live are left over, or a deploy
            is under way.
        wanted: Number of containers that ftl.yaml asks for; 0 where it is no longer in ftl.yaml.
        healthy: Whether all of its containers run and pass their probe; None where it has none.
        health: "healthy", or the reason why not: "500 Internal Server Error", "exited (1)".
        since: Start of the youngest of its running containers: RFC 3339, empty where none runs.
        ports: "8000" inside the network, "127.0.0.1:49153->5432" where the server itself listens.
        restarts: How often the engine restarted its containers after an exit.
        returns: Whether a reboot of the server starts all that runs again. Not while it becomes live: a container gets
            its restart policy once it is healthy.
        server: The servers that they are on; empty for a project's only one.
    """

    name: str
    kind: UnitKind
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
    server: str = ""
    returns: bool = True

    @property
    def replicas(self) -> str:
        """Number of running containers, of all that there should be: "2/2"."""
        number = len(self.containers) if self.is_scaled else self.wanted
        return f"{self.running}/{number}" if self.wanted else f"{self.running}"

    @property
    def is_scaled(self) -> bool:
        """Whether a service has more or fewer containers than ftl.yaml says, as after `ftl scale`."""
        is_live = self.kind == "service" and self.live and bool(self.containers)
        return is_live and 0 < self.wanted != len(self.containers)


@dataclass(frozen=True, slots=True)
class _Members:
    """The containers of one unit.

    Attributes:
        ports: Ports inside the network that are checked.
        problem: Why it does not work, whatever its containers say; empty for nothing.
    """

    name: str
    kind: UnitKind
    release: str | None
    live: bool
    wanted: int
    ports: tuple[int, ...]
    containers: tuple[Container, ...]
    problem: str = ""


def units_of(
    project: Project, observed: Observed, healths: Mapping[str, ContainerHealth]
) -> tuple[Unit, ...]:
    """All units of a project, and the proxy; the health of containers is by ID."""
    every = (
        *_services(project, observed),
        *_dependencies(project, observed),
        *_proxy(project, observed),
        *_runs(observed),
    )
    return tuple(_unit(observed, members, healths) for members in every)


def _services(project: Project, observed: Observed) -> Iterable[_Members]:
    """Each service's live containers, and its others by release; then services that are no longer in ftl.yaml."""
    for service in project.services:
        live = observed.live_release(service.name)
        ports = health_spec(project, labels.ROLE_SERVICE, service.name).ports
        by_release = _left_by_release(observed, service.name)
        current = observed.live_containers(service.name)
        lost = current and service.proxied_port and observed.proxy and not observed.live_alias(service.name)
        problem = UNREACHED if lost else ""
        yield _Members(
            service.name, "service", live, live is not None, service.replicas, ports, current, problem
        )
        for release, containers in by_release.items():
            yield _Members(service.name, "service", release, False, 0, ports, containers)
    known = {service.name for service in project.services}
    for name in sorted({container.labels[labels.SERVICE] for container in observed.services} - known):
        if current := observed.live_containers(name):
            yield _Members(name, "service", observed.live_release(name), True, 0, (), current)
        for release, containers in _left_by_release(observed, name).items():
            yield _Members(name, "service", release, False, 0, (), containers)


def _left_by_release(observed: Observed, service: str) -> dict[str, tuple[Container, ...]]:
    """A service's containers that no request goes to, by release.

    Also of the live release: a `scale` or `restart` that was killed leaves such.
    """
    live = {container.id for container in observed.live_containers(service)}
    by_release: dict[str, tuple[Container, ...]] = {}
    for container in observed.containers_of(service):
        if container.id not in live:
            release = container.labels.get(labels.RELEASE, "")
            by_release[release] = (*by_release.get(release, ()), container)
    return by_release


def _dependencies(project: Project, observed: Observed) -> Iterable[_Members]:
    unknown = dict(observed.dependencies)
    for dependency in project.dependencies:
        container = unknown.pop(dependency.name, None)
        others = (
            one for one in observed.doubled_dependencies if one.labels[labels.SERVICE] == dependency.name
        )
        containers = () if container is None else (container, *others)
        problem = DOUBLED if len(containers) > 1 else ""
        yield _Members(dependency.name, "dependency", None, True, 1, dependency.ports, containers, problem)
    for name, container in sorted(unknown.items()):
        yield _Members(name, "dependency", None, False, 0, (), (container,))


def _proxy(project: Project, observed: Observed) -> Iterable[_Members]:
    """Each proxy; a service that needs one and runs without it is unreachable."""
    proxies = [view.proxy.container for view in observed.proxies if view.proxy is not None]
    for proxy in proxies:
        containers = tuple(container for container in observed.containers if container.id == proxy)
        yield _Members("proxy", "proxy", None, True, 1, (), containers)
    if not proxies and any(
        service.proxied_port and observed.serves(service.name) for service in project.services
    ):
        yield _Members("proxy", "proxy", None, True, 1, (), (), MISSING)


def _runs(observed: Observed) -> Iterable[_Members]:
    """Each command that `ftl run` started and that still runs."""
    for container in sorted(observed.of_role(labels.ROLE_RUN), key=lambda container: container.name):
        name = container.name.removeprefix(f"{observed.project}-")
        release = container.labels.get(labels.RELEASE)
        yield _Members(name, "run", release, True, 0, (), (container,))


def _unit(observed: Observed, members: _Members, healths: Mapping[str, ContainerHealth]) -> Unit:
    results = [healths[container.id] for container in members.containers]
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
        ports=_ports(members.containers, members.ports),
        restarts=sum(result.restarts for result in results),
        returns=not members.live or all(result.returns for result in running),
        containers=tuple(container.id for container in members.containers),
        server=", ".join(_servers(observed, members.containers)),
    )


def _servers(observed: Observed, containers: Sequence[Container]) -> Iterable[str]:
    """The servers of containers, each once; none for a project's only server."""
    located = [located_container(observed, container) for container in containers]
    return dict.fromkeys(place[0] for place in located if place is not None and place[0])


def _summary(results: Sequence[ContainerHealth], unhealthy: Sequence[ContainerHealth]) -> str:
    """Health as text: the first reason against it, else a remark about one that is healthy."""
    if not results:
        return "not running"
    return unhealthy[0].health if unhealthy else max((result.health for result in results), key=len)


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
