"""Status of a project on its server: running containers, health, ports. Read-only."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather, task_group
from ftl.dataclass import dataclass
from ftl.deploy.observe.cluster import located_container, observe_fleet
from ftl.deploy.observe.state import observe
from ftl.deploy.plan.pins import configured_reference
from ftl.deploy.urls import urls
from ftl.engine import labels
from ftl.figures import utc
from ftl.host.jobs import job_states
from ftl.operations.views import early_checks
from ftl.operations.views.container_health import ContainerHealth, check_containers, health_spec
from ftl.operations.views.servers import server_states
from ftl.programs import program
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.config import Project
    from ftl.deploy.observe.state import Observed, ServerView
    from ftl.engine.api import Engine
    from ftl.engine.values import Container, EngineInfo
    from ftl.host.fleet import Fleet
    from ftl.host.jobs import JobState
    from ftl.host.session import Session
    from ftl.operations.views.servers import ServerStatus
    from ftl.ssh.machine import Machine

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
        server: The servers that they are on; empty for a project's only one.
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
    server: str = ""


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
class WatchStatus:
    """Watch of the live release by the server.

    Attributes:
        before: The release that it goes back to.
        until: When it ends: RFC 3339.
        interrupted: Nothing watches any more: the server was restarted meanwhile.
    """

    release: str
    before: str
    until: str
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Status:
    """A project on its server, or on those of its cluster.

    Attributes:
        release: The youngest release that is live; None where none is.
        live: The release that went live last; None where no record says so.
        urls: Where the project answers.
        hold: Why nobody shall deploy, from `ftl rollback --hold`; None: everybody may.
        maintenance: Whether visitors get 503, from `ftl maintenance on`.
        watch: The watch of the live release that has not ended, from `ftl deploy --watch`.
        servers: Those of a cluster; empty with one server.
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
    watch: WatchStatus | None = None
    servers: tuple[ServerStatus, ...] = ()

    @property
    def deployed(self) -> bool:
        """Whether the project has any container on the server."""
        return any(unit.running or unit.image for unit in self.units if unit.kind not in ("proxy", "run"))


@dataclass(frozen=True, slots=True)
class Look:
    """All that is asked of a server for a status.

    Attributes:
        healths: By the ID of the container.
    """

    observed: Observed
    healths: Mapping[str, ContainerHealth]
    jobs: tuple[JobState, ...]


@dataclass(frozen=True, slots=True)
class _Members:
    """The containers of one unit.

    Attributes:
        ports: Ports inside the network that are checked.
        problem: Why it does not work, whatever its containers say; empty for nothing.
    """

    name: str
    kind: Kind
    release: str | None
    live: bool
    wanted: int
    ports: tuple[int, ...]
    containers: tuple[Container, ...]
    problem: str = ""


async def look(project: Project, engine: Engine, machine: Machine, info: EngineInfo | None = None) -> Look:
    """Observe the server, probe every running container once, and ask for the jobs.

    Containers are checked as soon as they are listed, and before that where the last status saw them: engines need
    longer for the files of the release records and of the proxy (100 ms on Docker 20.10, which starts a program for
    each; 15 ms on 26.1).

    Args:
        project: The project.
        engine: The server's engine.
        machine: The server.
        info: The engine's info; None: it is asked for as well.

    Raises:
        ServerError, EngineError: The server does not answer.
    """
    async with task_group() as group:
        early = early_checks.begin(group, project, engine, machine)
        listing = group.create_task(engine.containers())
        observing = group.create_task(observe(engine, info, project.name, machine.name, containers=listing))
        listed = await listing
        early_checks.settle(early, project, machine, listed)
        checking = group.create_task(check_containers(project, engine, machine, listed, early=early))
        own = [container for container in listed if container.labels.get(labels.PROJECT) == project.name]
        jobs = group.create_task(job_states(engine, own))
    return Look(observing.result(), checking.result(), jobs.result())


async def look_at_all(project: Project, fleet: Fleet) -> Look:
    """Observe the servers of a cluster; check the containers on each, and so the replicas."""
    observed = await observe_fleet(fleet, project.name, project.servers)

    async def checked(view: ServerView) -> dict[str, ContainerHealth]:
        session = fleet.at(view.host)
        return await check_containers(project, session.engine, session.machine, view.containers, overlay=True)

    healths = {
        name: health for each in await gather(map(checked, observed.views)) for name, health in each.items()
    }
    for replica in observed.services:
        located = located_container(observed, replica)
        if located is None:
            why = "stopped" if replica.state == "exited" else f"no task runs ({replica.status})"
            healths[replica.id] = ContainerHealth(False, False, why, "")
        else:
            healths[replica.id] = healths[located[1].id]
    jobs = await gather(
        job_states(fleet.at(view.host).engine, [one for one in view.containers if _is_own(project, one)])
        for view in observed.views
    )
    return Look(observed, healths, tuple(state for each in jobs for state in each))


def _is_own(project: Project, container: Container) -> bool:
    return container.labels.get(labels.PROJECT) == project.name


async def status(project: Project, session: Session, ahead: Look | None = None) -> Status:
    """Describe the project from a look at its server.

    Args:
        project: The project.
        session: Its server.
        ahead: A look that was taken just now; None: it is taken.

    Raises:
        ServerError, EngineError: The server does not answer.
    """
    found = ahead or await look(project, session.engine, session.machine, session.info)
    observed = found.observed
    every = [
        *_services(project, observed),
        *_dependencies(project, observed),
        *_proxy(project, observed),
        *_runs(observed),
    ]
    units = tuple(_unit(observed, members, found.healths) for members in every)
    releases = [unit.release for unit in units if unit.live and unit.release]
    return Status(
        project=project.name,
        server=observed.server,
        engine=session.info.version,
        release=max(releases, key=release_number, default=None),
        units=units,
        jobs=found.jobs,
        live=_live(observed),
        urls=urls(project),
        hold=observed.hold.reason if observed.hold is not None else None,
        maintenance=observed.site is not None and observed.site.maintenance is not None,
        watch=await _watch(session, observed),
        servers=tuple(server_states(project, observed)) if observed.is_cluster else (),
    )


async def _watch(session: Session, observed: Observed) -> WatchStatus | None:
    """The watch of the live release, while the containers of the one before are there.

    The script on the server is looked for: a reboot ends it.
    """
    watch = observed.watches.get(f"r{observed.live_number}")
    stay = watch is not None and any(one.labels[labels.RELEASE] == watch.before for one in observed.services)
    if watch is None or watch.outcome != "watching" or not stay:
        return None
    script = program(__package__, "watch_runs.sh")
    done = await session.machine.run(["sh", "-c", script, "ftl-status", observed.project, watch.release])
    return WatchStatus(watch.release, watch.before, utc(watch.until), interrupted=done.exit_code != 0)


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
        ports = health_spec(project, labels.ROLE_SERVICE, service.name).ports
        by_release = _by_release(observed.services, service.name)
        current = by_release.pop(live, ()) if live else ()
        lost = current and service.proxied_port and observed.proxy and not observed.live_alias(service.name)
        problem = UNREACHED if lost else ""
        yield _Members(
            service.name, "service", live, live is not None, service.replicas, ports, current, problem
        )
        for release, containers in by_release.items():
            yield _Members(service.name, "service", release, False, 0, ports, containers)
    known = {service.name for service in project.services}
    for name in sorted({container.labels[labels.SERVICE] for container in observed.services} - known):
        for release, containers in _by_release(observed.services, name).items():
            serves = observed.live_release(name) == release
            yield _Members(name, "service", release, serves, 0, (), containers)


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
        yield _Members(dependency.name, "dependency", None, True, 1, dependency.ports, containers)
    for name, container in sorted(unknown.items()):
        yield _Members(name, "dependency", None, False, 0, (), (container,))


def _proxy(project: Project, observed: Observed) -> Iterable[_Members]:
    """Each proxy; a service that needs one and runs without it is unreachable."""
    proxies = [view.proxy.container for view in observed.proxies if view.proxy is not None]
    for proxy in proxies:
        containers = tuple(one for one in observed.containers if one.id == proxy)
        yield _Members("proxy", "proxy", None, True, 1, (), containers)
    if not proxies and any(
        service.proxied_port and observed.serves(service.name) for service in project.services
    ):
        yield _Members("proxy", "proxy", None, True, 1, (), (), MISSING)


def _runs(observed: Observed) -> Iterable[_Members]:
    """Each command that `ftl run` started and that still runs."""
    for container in sorted(observed.of_role(labels.ROLE_RUN), key=lambda one: one.name):
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
        containers=tuple(container.id for container in members.containers),
        server=", ".join(_hosts(observed, members.containers)),
    )


def _hosts(observed: Observed, containers: Sequence[Container]) -> Iterable[str]:
    """The servers of containers, each once; none for a project's only server."""
    located = [located_container(observed, container) for container in containers]
    return dict.fromkeys(found[0] for found in located if found is not None and found[0])


def _summary(results: Sequence[ContainerHealth], unhealthy: Sequence[ContainerHealth]) -> str:
    """Health in words: the first reason why not, else a remark about one that is healthy."""
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
