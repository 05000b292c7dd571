"""Join servers to one cluster, or rebuild it from a manager that is left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.execution.executor import Executor
from ftl.execution.stages import steps_of
from ftl.proxy.names import overlay_network
from ftl.releases.store import read_history
from ftl.server.cluster.apply import RUNNERS
from ftl.server.cluster.context import ActingManager, ClusterContext
from ftl.server.cluster.members import times_begun
from ftl.server.cluster.membership import MEMBERSHIP_VOLUME, passing_leaderless
from ftl.server.cluster.plan import plan, plan_recovery
from ftl.server.cluster.ports import refuse_closed_ports
from ftl.server.cluster.steps import JoinCluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from ftl.engine.calls.swarm import SwarmNode
    from ftl.engine.values import Network
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.server.cluster.members import Member
    from ftl.server.cluster.membership import FormerConnector
    from ftl.server.cluster.plan import ClusterStage
    from ftl.server.cluster.steps import ClusterStep


_NOTICE_SECONDS = 40.0
_ELECTION_SECONDS = 15.0
_PAUSE = 1.0


async def join(
    project: str,
    members: Sequence[Member],
    sessions: Mapping[str, Session],
    emit: Emit,
    connect_former: FormerConnector,
) -> tuple[ClusterStep, ...]:
    """Make one cluster of the servers; returns the steps that it took.

    `connect_former` connects to a server that is no longer in the file.
    """
    found = await view(project, members, sessions)
    stages = found.plan(project, members)
    steps = steps_of(stages)
    if any(isinstance(step, JoinCluster) for step in steps):
        machines = {name: session.machine for name, session in sessions.items()}
        await refuse_closed_ports(members, machines)
    await Executor(
        stages,
        RUNNERS,
        ClusterContext(project, members, sessions, emit, ActingManager(found.lead), connect_former),
    ).run()
    return steps


@dataclass(frozen=True, slots=True)
class SwarmView:
    """The Swarm as its managers see it.

    Attributes:
        lead: The name of a manager that can change it; empty where there is none.
        busy: Services of the project that run on a node, by its ID.
        lacking: Servers of the file that lack images of the project's services.
    """

    lead: str = ""
    nodes: Sequence[SwarmNode] = ()
    network: Network | None = None
    busy: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()

    def plan(self, project: str, members: Sequence[Member]) -> tuple[ClusterStage, ...]:
        """Plan the steps that make the servers the cluster of the file."""
        return plan(
            project,
            members,
            self.nodes,
            has_network=self.has_network,
            untried=self.untried(project),
            in_clear=self.in_clear,
            busy=self.busy,
            lacking=self.lacking,
        )

    def untried(self, project: str) -> frozenset[str]:
        """IDs of the nodes whose packets have not passed in the project's network yet."""
        network, label = self.network.id if self.network is not None else "", labels.node_tried(project)
        return frozenset(node.id for node in self.nodes if node.labels.get(label) != network)

    @property
    def has_network(self) -> bool:
        """Whether the project's network exists."""
        return self.network is not None

    @property
    def in_clear(self) -> bool:
        """Whether that network's packets are not encrypted."""
        return self.network is not None and self.network.labels.get(labels.ENCRYPTED) != "true"


async def view(project: str, members: Sequence[Member], sessions: Mapping[str, Session]) -> SwarmView:
    """The Swarm as its managers see it."""
    leading = [member for member in members if member.swarm.has_leader]
    if not leading:
        return SwarmView()
    lead = max(leading, key=lambda member: times_begun(member.swarm)).name
    found = await view_by(project, lead, sessions[lead])
    services = await sessions[lead].engine.services(labels={labels.PROJECT: project})
    images = {service.image for service in services if labels.SERVICE in service.labels}
    lacks = await gather(_lacks(sessions.get(member.name), images) for member in members)
    names = (member.name for member, is_lacking in zip(members, lacks, strict=True) if is_lacking)
    return replace(found, lacking=frozenset(names))


async def _lacks(session: Session | None, images: Set[str]) -> bool:
    """Whether a server lacks some images, by ID or tag; one that is not asked, in a dry run, does if there are any."""
    if session is None or not images:
        return bool(images)
    own = await session.engine.images()
    return not images <= {name for image in own for name in (image.id, *image.tags, *image.digests)}


async def view_by(project: str, lead: str, session: Session) -> SwarmView:
    """The Swarm as one of its managers sees it."""
    engine, name = session.engine, overlay_network(project)
    nodes, networks = await gather2(engine.swarm.nodes(), engine.networks())
    services, tasks = await gather2(engine.services(labels={labels.PROJECT: project}), engine.tasks())
    network = next((network for network in networks if network.name == name), None)
    names = {service.id: service.labels.get(labels.SERVICE) for service in services}
    busy: dict[str, dict[str, None]] = {}
    for task in tasks:
        if task.state == "running" and (service := names.get(task.service)):
            busy.setdefault(task.node, {})[service] = None
    return SwarmView(lead, nodes, network, {node: tuple(found) for node, found in busy.items()})


async def refresh(member: Member, session: Session) -> Member:
    """A server as its engine describes it now: it may have just been installed."""
    state = await session.engine.swarm.state()
    volumes = await session.engine.volumes(labels={labels.ROLE: labels.ROLE_CLUSTER})
    nodes = await session.engine.swarm.nodes() if state.has_leader else []
    facts = replace(
        member.facts,
        clock_ahead=session.info.clock_ahead,
        engine_id=session.info.id,
        version=session.info.version,
        swarm=state,
        nodes=frozenset(node.id for node in nodes),
        stored_node=next(
            (one.labels.get(labels.CLUSTER, "") for one in volumes if one.name == MEMBERSHIP_VOLUME), ""
        ),
    )
    return replace(member, facts=facts)


async def _noticed(member: Member, session: Session, here: frozenset[str]) -> Member:
    """A server as it is once its Swarm has noticed which managers are lost.

    A leader without most of the managers goes on for 10 s and more (20.10 to 28.5). So it is waited for where most of
    them are not among the nodes that are `here`.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + _NOTICE_SECONDS
    while member.swarm.has_leader and clock() < until:
        with passing_leaderless():
            nodes = await session.engine.swarm.nodes()
            managers = {node.id for node in nodes if node.role == "manager"}
            if 2 * len(managers & here) > len(managers):
                return member
        await asyncio.sleep(_PAUSE)
        with passing_leaderless():
            member = await refresh(member, session)
    return member


async def _elected(members: Sequence[Member], sessions: Mapping[str, Session]) -> Sequence[Member]:
    """Servers as they are once their managers have elected a leader, where those that are left can.

    Without one for some seconds is also a cluster whose leader was restarted: it must not be rebuilt.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + _ELECTION_SECONDS
    several = sum(member.swarm.is_manager for member in members) > 1
    while several and not any(member.swarm.has_leader for member in members) and clock() < until:
        await asyncio.sleep(_PAUSE)
        with passing_leaderless():
            members = await gather(refresh(member, sessions[member.name]) for member in members)
    return members


async def progress_of(
    project: str, members: Sequence[Member], sessions: Mapping[str, Session]
) -> dict[str, tuple[float, ...]]:
    """Manager -> how far it followed a project, by its records: others may have gone on."""

    async def one(member: Member) -> tuple[float, ...]:
        with suppress(FtlError):  # it has no records, or they cannot be read
            history = await read_history(sessions[member.name].engine, project)
            ended = [record for record in history.records if record.outcome != "started"]
            return (
                max((record.number for record in history.records), default=0),
                len(ended),
                sum(record.changes for record in ended),
                max((entry.time for entry in history.audit), default=0.0),
            )
        return ()

    managers = [member for member in members if member.swarm.is_manager]
    found = await gather(one(member) for member in managers)
    return {member.name: progress for member, progress in zip(managers, found, strict=True)}


async def begin_anew(
    project: str,
    members: Sequence[Member],
    sessions: Mapping[str, Session],
    emit: Emit,
    connect_former: FormerConnector,
) -> tuple[ClusterStep, ...]:
    """Rebuild a lost cluster from the manager that knows most; returns the steps that it took.

    Raises:
        UsageError: It is not lost, or no manager is left.
    """
    here = frozenset(member.swarm.node for member in members)
    members = await gather(_noticed(member, sessions[member.name], here) for member in members)
    members = await _elected(members, sessions)
    stages = plan_recovery(members, await progress_of(project, members, sessions))
    await Executor(
        stages, RUNNERS, ClusterContext(project, members, sessions, emit, ActingManager(""), connect_former)
    ).run()
    return steps_of(stages)
