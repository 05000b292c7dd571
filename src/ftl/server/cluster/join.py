"""Join servers to one cluster, or begin it anew from a manager that is left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.errors import UsageError
from ftl.execution.reporting import reported
from ftl.proxy.names import overlay_network
from ftl.server.cluster.apply import MARK, ClusterWork, forget, remove_node
from ftl.server.cluster.connected import ConnectedServers
from ftl.server.cluster.members import generation, is_ours, known_nodes
from ftl.server.cluster.plan import plan
from ftl.server.cluster.ports import refuse_closed_ports
from ftl.server.cluster.steps import ClusterStep, JoinCluster, RecoverCluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.calls.swarm import SwarmNode
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.server.cluster.members import Member


async def join(
    project: str, members: Sequence[Member], sessions: Mapping[str, Session], emit: Emit
) -> tuple[ClusterStep, ...]:
    """Make one cluster of the servers; returns the steps that it took."""
    lead, nodes, has_network = await view(project, members, sessions)
    steps = plan(project, members, nodes, has_network=has_network)
    if any(isinstance(step, JoinCluster) for step in steps):
        machines = {name: session.machine for name, session in sessions.items()}
        await refuse_closed_ports(members, machines)
    work = ClusterWork(ConnectedServers(project, members, sessions, emit), lead=lead)
    await work.apply(steps)
    return steps


async def view(
    project: str, members: Sequence[Member], sessions: Mapping[str, Session]
) -> tuple[str, list[SwarmNode], bool]:
    """The Swarm as its managers see it.

    Returns:
        The name of a manager that can change it, its nodes, and whether the project's network exists.
    """
    leading = [member for member in members if member.swarm.has_leader]
    if not leading:
        return "", [], False
    lead = max(leading, key=lambda member: generation(member.swarm)).name
    engine = sessions[lead].engine
    nodes = await engine.swarm.nodes()
    networks = await engine.networks()
    return lead, nodes, any(network.name == overlay_network(project) for network in networks)


async def refresh(member: Member, session: Session) -> Member:
    """A server as its engine describes it now: it may have just been installed."""
    state = await session.engine.swarm.state()
    marks = await session.engine.volumes(labels={labels.ROLE: labels.ROLE_CLUSTER})
    nodes = await session.engine.swarm.nodes() if state.has_leader else []
    facts = replace(
        member.facts,
        clock_ahead=session.info.clock_ahead,
        engine_id=session.info.id,
        version=session.info.version,
        swarm=state,
        nodes=frozenset(node.id for node in nodes),
        marked=next((mark.labels.get(labels.CLUSTER, "") for mark in marks if mark.name == MARK), ""),
    )
    return replace(member, facts=facts)


async def begin_anew(members: Sequence[Member], sessions: Mapping[str, Session], emit: Emit) -> None:
    """Rebuild the cluster from the first of its managers.

    The others forget it, and join again afterwards.

    Raises:
        UsageError: It has a leader, or no manager is left.
    """
    if any(member.swarm.has_leader for member in members):
        raise UsageError(
            "the cluster has a majority of its managers: there is nothing to recover",
            hint="`ftl setup` without `--recover` adds and removes servers",
        )
    ours = known_nodes(members)
    managers = [member for member in members if member.swarm.is_manager and is_ours(member, ours)]
    if not managers:
        raise UsageError(
            "none of the servers that can be reached was a manager of the cluster",
            hint="without one, nothing is left of it: `docker swarm leave --force` on each server, then `ftl setup`",
        )
    survivor = managers[0]
    async with reported(emit, RecoverCluster(survivor.name), server=survivor.name):
        swarm = sessions[survivor.name].engine.swarm
        await swarm.restart_alone(survivor.address)
        begun = await swarm.state()
        await swarm.set_labels({**begun.labels, labels.CLUSTER: str(generation(begun) + 1)})
        for member in managers[1:]:
            await forget(sessions[member.name])
        reachable = {member.swarm.node for member in members if member not in managers[1:]}
        for node in await swarm.nodes():
            if node.id not in reachable:
                await remove_node(swarm, node.id, is_manager=node.role == "manager")
