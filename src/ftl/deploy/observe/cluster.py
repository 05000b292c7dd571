"""Observed state of the servers of a cluster, merged into one for a plan."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.aio import gather, gather2
from ftl.common.next_step import ftl
from ftl.config.models.server import WEB
from ftl.config.values.schedule import InvalidSchedule
from ftl.deploy.names import is_live_job
from ftl.deploy.observe.snapshot import observe, restart_policies, take_snapshot, with_outcomes
from ftl.deploy.observe.state import Observed, ServerView
from ftl.deploy.observe.swarm import replicas
from ftl.deploy.replicas import reached_by
from ftl.engine import labels
from ftl.engine.errors import NO_MAJORITY, RECOVER, is_leaderless
from ftl.errors import EngineError, ServerError
from ftl.host import crontab
from ftl.host.crontab import CronLine
from ftl.releases.audit import broke_off
from ftl.releases.merge import Copies, lacking, merged_audit, merged_records
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.engine.calls.services import SwarmService, SwarmTask
    from ftl.engine.calls.swarm import SwarmNode
    from ftl.engine.values import Container
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.proxy.state import ProxyState

T = TypeVar("T")

_SETUP = f"{ftl('setup')} makes the servers of ftl.yaml one cluster"


async def observe_fleet(fleet: Fleet, project: str, servers: Sequence[ClusterServer]) -> Observed:
    """Observe a project on its server, or on all servers of its cluster that answer.

    Args:
        fleet: The open sessions.
        project: The project's name.
        servers: Those of its cluster; empty with one server.

    Raises:
        ServerError: The servers are not a cluster, or no manager answers.
        EngineError: From an engine.
    """
    first = fleet.first
    if not servers:
        listing = asyncio.ensure_future(first.engine.containers())
        seen, differs = await gather2(
            observe(first.engine, first.info, project, first.name, containers=listing),
            _crontab_differs(first, project, listing),
        )
        seen = replace(seen, crontab_differs=differs, check_lost=await _check_lost(first, seen))
        return await _with_services(first, seen) if first.info.is_manager else seen
    _require_cluster(fleet)
    label_map = {labels.PROJECT: project, labels.ROLE: labels.ROLE_LIVE}
    listings = {one.name: asyncio.ensure_future(one.engine.containers()) for one in fleet}
    jobs = [one for one in fleet if one.name == servers[0].host]  # jobs run on the first of the file
    (looks, outdated), (((services, tasks), nodes), live) = await gather2(
        gather2(
            gather(
                take_snapshot(one.engine, one.info, project, one.name, containers=listings[one.name])
                for one in fleet
            ),
            gather(_crontab_differs(one, project, listings[one.name]) for one in jobs),
        ),
        gather2(_swarm(first), _led(first.engine.configs.list(label_map))),
    )
    _require_same_cluster(fleet, nodes)
    own = [service for service in services if service.labels.get(labels.PROJECT) == project]
    names = {network.id: network.name for view in looks for network in view.networks}
    found = merged(project, servers, fleet, looks, tuple(replicas(own, tasks, names)), nodes)
    if broke_off(found.audit):  # only managers have the audit
        every = await gather(
            restart_policies(one.engine, seen, every=True) for one, seen in zip(fleet, looks, strict=True)
        )
        found = replace(
            found, policies={**found.policies, **{k: v for each in every for k, v in each.items()}}
        )
    unchecked = await gather(
        _check_lost(one, seen) for one, seen in zip(fleet, looks, strict=True) if one in jobs
    )
    hosts = {node.id: node.labels.get(labels.node_host(project), "") for node in nodes}
    known = {session.info.node for session in fleet}
    role = labels.node_role(project, labels.ANY_ROLE)
    admitted = {node.id for node in nodes if role in node.labels}
    listed = {server.host for server in servers}
    found = replace(
        found,
        unlisted={
            host: role in node.labels and not node.is_drained(project) and not node.is_lost
            for node in nodes
            if node.id not in known and (host := hosts[node.id]) and host not in listed
        },
        unreachable={
            host: node.state
            for node in nodes
            if (host := hosts[node.id]) in fleet.missing and not node.is_lost
        },
        live_published=len(live) == 1,
        crontab_differs=any(outdated),
        check_lost=any(unchecked),
        joining=tuple(session.name for session in fleet if session.info.node not in admitted),
        unseen=tuple(host for node, host in hosts.items() if host and node not in known),
        jobless=frozenset(hosts[node.id] for node in nodes if labels.node_jobless(project) in node.labels),
    )
    return with_outcomes(found)


async def _crontab_differs(session: Session, project: str, listing: Awaitable[Sequence[Container]]) -> bool:
    """Whether a server's crontab does not start the live jobs; asked for meanwhile, if it has jobs."""
    lines = [CronLine.of(one) for one in await listing if _is_job(one, project)]
    with suppress(InvalidSchedule):  # of a newer FTL
        return bool(lines) and bool(await crontab.compare(session.machine, project, lines))
    return False


async def _check_lost(session: Session, seen: Observed) -> bool:
    """Whether a server that checks certificates does so no more."""
    has_hosts = b"\nhost " in seen.notify
    return has_hosts and not await crontab.checks_certificates(session.machine, seen.project)


def _is_job(container: Container, project: str) -> bool:
    own = (container.project, container.role) == (project, labels.ROLE_JOB)
    return own and is_live_job(container)


async def _with_services(manager: Session, observed: Observed) -> Observed:
    """One server that is in a Swarm: with the services that a project left there when it had `servers`.

    A task's container is a replica of its service: removed by itself, it would be started again.

    Raises:
        ServerError: The project has tasks there, and most of the managers are gone.
    """
    has_tasks = any(
        labels.SWARM_TASK in one.labels and one.project == observed.project for one in observed.containers
    )
    try:
        ((services, tasks), _), configs = await gather2(
            _swarm(manager), manager.engine.configs.list({labels.PROJECT: observed.project})
        )
    except (EngineError, ServerError):
        if has_tasks:
            raise
        return observed  # somebody else's Swarm
    own = [service for service in services if service.labels.get(labels.PROJECT) == observed.project]
    names = {network.id: network.name for network in observed.networks}
    # A task that still stops, of a service that was removed, is removed by Swarm.
    plain = tuple(
        one
        for one in observed.containers
        if labels.SWARM_TASK not in one.labels or one.project != observed.project
    )
    containers = (*plain, *replicas(own, tasks, names))
    return replace(observed, containers=containers, left_configs=bool(configs))


def platform_of(fleet: Fleet) -> str:
    """The platform that images are built for.

    Raises:
        ServerError: The servers have different ones: an image here is built for one.
    """
    platforms = {session.name: session.info.platform for session in fleet}
    if len(set(platforms.values())) > 1:
        listed = ", ".join(f"{name} is {platform}" for name, platform in platforms.items())
        raise ServerError("the servers of a cluster must have one platform", cause=listed)
    return next(iter(platforms.values()))


def _require_cluster(fleet: Fleet) -> None:
    for session in fleet:
        if not session.info.node:
            raise ServerError(f"{session.name} is not in the cluster", hint=_SETUP)
    if not fleet.first.info.is_manager:
        missing = ", ".join(fleet.missing)
        raise ServerError(
            "no manager of the cluster answers, so nothing can be changed",
            cause=f"{missing} cannot be reached" if missing else None,
            hint="running services keep running; start the servers again",
        )


def _require_same_cluster(fleet: Fleet, nodes: Iterable[SwarmNode]) -> None:
    """Refuse servers of which some are in a cluster that was lost, and rebuilt without them.

    They may have come back together, with a leader of their own.

    Raises:
        ServerError: Some are.
    """
    known = {node.id for node in nodes}
    if others := [session.name for session in fleet if session.info.node not in known]:
        raise ServerError(f"{', '.join(others)} and {fleet.first.name} are not in one cluster", hint=_SETUP)


async def _swarm(manager: Session) -> tuple[tuple[list[SwarmService], list[SwarmTask]], list[SwarmNode]]:
    """Services and running tasks, and the nodes.

    Raises:
        ServerError: Most of the managers are gone.
    """
    engine = manager.engine
    return await _led(gather2(gather2(engine.services(), engine.tasks()), engine.swarm.nodes()))


async def _led(answer: Coroutine[Any, Any, T]) -> T:
    """Await what a manager answers only while the Swarm has a leader.

    Raises:
        ServerError: Most of the managers are gone.
    """
    try:
        return await answer
    except EngineError as error:
        if not is_leaderless(error):
            raise
        raise ServerError(NO_MAJORITY, cause=error.cause, hint=RECOVER) from error


def merged(
    project: str,
    servers: Sequence[ClusterServer],
    fleet: Fleet,
    looks: Sequence[Observed],
    swarm: tuple[Container, ...],
    nodes: Iterable[SwarmNode],
) -> Observed:
    """The servers of a cluster as one project sees them.

    Args:
        project: The project.
        servers: The servers of its cluster.
        fleet: Those that answer.
        looks: Their own state, in the fleet's order.
        swarm: The replicas of the project's Swarm services.
        nodes: The nodes of the Swarm.
    """
    drained = {node.id for node in nodes if node.is_drained(project)}
    lost = {node.id for node in nodes if node.is_lost}
    web = {server.host for server in servers if WEB in server.roles}
    newest = max(looks, key=lambda seen: (_progress(seen), seen.server == fleet.first.name))
    releases = merged_records(Copies(seen.releases, seen.damaged) for seen in (newest, *looks))
    held = max((newest, *looks), key=lambda seen: seen.hold_time)
    views = tuple(
        ServerView(
            name=session.name,
            web=session.name in web,
            manager=session.info.is_manager,
            info=session.info,
            containers=seen.containers,
            images=seen.images,
            volumes=seen.volumes,
            proxy=seen.proxy,
            drained=session.info.node in drained,
            cut_off=session.info.node in lost,
            notify=seen.notify,
            networks=seen.networks,
            jobs=seen.jobs,
            lacks=lacking(Copies(seen.releases, seen.damaged), releases) if session.info.is_manager else (),
            lacks_hold=session.info.is_manager and (seen.hold, seen.hold_time) != (held.hold, held.hold_time),
        )
        for session, seen in zip(fleet, looks, strict=True)
    )
    plain = tuple(one for view in views for one in view.containers if labels.SWARM_TASK not in one.labels)
    first = next(seen for seen in looks if seen.server == fleet.first.name)
    return replace(
        newest,
        server=", ".join(view.name for view in views),
        info=first.info,
        containers=(*plain, *swarm),
        images=tuple(image for view in views for image in view.images),
        networks=tuple({one.id: one for seen in (first, *looks) for one in seen.networks}.values()),
        volumes=tuple(volume for view in views for volume in view.volumes),
        proxy=merged_proxy(
            project, [view.proxy for view in views if view.web and view.proxy is not None], swarm + plain
        ),
        releases=releases,
        hold=held.hold,
        hold_time=held.hold_time,
        audit=merged_audit([seen.audit for seen in looks]),
        notify=b"",  # each view has its own, and of jobs
        jobs=(),
        policies={name: policy for seen in looks for name, policy in seen.policies.items()},
        views=views,
        down=tuple(fleet.missing),
    )


def _progress(seen: Observed) -> tuple[int, int, int, float]:
    """Progress of a server's history, to compare: one that was away, or lost its power, lacks what others have."""
    ended = [record for record in seen.releases if record.outcome != "started"]
    return (
        max((record.number for record in seen.releases), default=0),
        -len(seen.damaged),
        len(ended),
        max((entry.time for entry in seen.audit), default=0.0),
    )


def merged_proxy(
    project: str, proxies: Sequence[ProxyState], containers: Sequence[Container]
) -> ProxyState | None:
    """The proxy as a plan sees it: one that is up to date, with the live releases of all.

    One that was away during a deploy names releases whose containers are gone, or older ones than the others.

    Args:
        project: The project.
        proxies: Those of the servers that answer.
        containers: The project's containers, of all servers.
    """
    if not proxies:
        return None
    live: dict[tuple[str, str], str] = {}
    for proxy in proxies:
        for key, alias in proxy.live.items():
            if key[0] == project and _age(containers, key[1], alias) > _age(
                containers, key[1], live.get(key, "")
            ):
                live[key] = alias

    def agrees(proxy: ProxyState) -> tuple[bool, bool, int]:
        own = sum(proxy.live.get(key) == alias for key, alias in live.items())
        return (proxy.running, project in proxy.sites, own)

    base = max(proxies, key=agrees)
    # What is the same on all of them.
    sites = {
        name: replace(site, place=None) if name == project else site for name, site in base.sites.items()
    }
    return replace(base, live={**base.live, **live}, sites=sites)


def _age(containers: Sequence[Container], service: str, alias: str) -> int:
    """Number of the release that an alias leads to; 0 where it leads to none."""
    own = [one for one in containers if one.labels.get(labels.SERVICE) == service and _is_service(one)]
    reached = reached_by(alias, own) if alias else ()
    return max((release_number(one.labels[labels.RELEASE]) for one in reached), default=0)


def _is_service(container: Container) -> bool:
    return container.role == labels.ROLE_SERVICE
