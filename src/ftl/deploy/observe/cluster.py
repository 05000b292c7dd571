"""Observed state of the servers of a cluster: their own, and that of the Swarm."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.aio import gather, gather2
from ftl.common.next_step import ftl
from ftl.config.values.schedule import InvalidSchedule
from ftl.deploy.names import is_live_job
from ftl.deploy.observe.merged import merged
from ftl.deploy.observe.snapshot import observe, restart_policies, take_snapshot, with_outcomes
from ftl.deploy.observe.swarm import replicas
from ftl.engine import labels
from ftl.engine.errors import NO_MAJORITY, RECOVER, is_leaderless
from ftl.errors import EngineError, ServerError
from ftl.host import crontab
from ftl.host.crontab import CronLine
from ftl.proxy.live_state import published_site
from ftl.releases.audit import broke_off

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.engine.calls.services import SwarmService, SwarmTask
    from ftl.engine.calls.swarm import SwarmNode
    from ftl.engine.values import Container
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session

T = TypeVar("T")

_SETUP = f"{ftl('setup')} makes the servers of ftl.yaml one cluster"


async def observe_fleet(fleet: Fleet, project: str, servers: Sequence[ClusterServer]) -> Observed:
    """Observe a project on its server, or on all servers of its cluster that answer.

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
    published = published_site(live[0].data) if len(live) == 1 else None
    found = merged(project, servers, fleet, looks, tuple(replicas(own, tasks, names)), nodes, published)
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
        workers=frozenset(hosts[node.id] for node in nodes if node.role != "manager"),
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
