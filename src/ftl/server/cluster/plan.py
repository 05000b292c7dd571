"""The cluster planner: a pure function from the servers and the nodes of the Swarm to steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.engine import labels
from ftl.engine.errors import NO_MAJORITY, RECOVER
from ftl.errors import FtlError, UsageError
from ftl.execution.stages import StageOf, compact
from ftl.server.cluster.members import Member, is_ours, known_nodes, managers_of, pool_for, refuse_clear
from ftl.server.cluster.steps import (
    BeginCluster,
    ChangeRole,
    ClusterStep,
    JoinCluster,
    LabelNode,
    LeaveOldCluster,
    RecoverCluster,
    ReleaseServer,
    RemoveServer,
    TryNetwork,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from ftl.engine.calls.swarm import SwarmNode


ClusterStage = StageOf[ClusterStep]


def plan(
    project: str,
    members: Sequence[Member],
    nodes: Sequence[SwarmNode],
    *,
    has_network: bool,
    untried: Set[str] = frozenset(),
    in_clear: bool = False,
    busy: Mapping[str, Sequence[str]] | None = None,
    lacking: Set[str] = frozenset(),
) -> tuple[ClusterStage, ...]:
    """Plan the steps that make the servers one cluster; each leaves or joins by itself.

    No member is in a Swarm that is not FTL's, and `nodes` are empty where there is none. `untried` are IDs of nodes
    whose packets have not passed in the project's network yet, also where a trial was cut; `in_clear`: its packets are
    not encrypted. `busy` are services of the project that run on a node, by its ID; `lacking` are servers of the file
    that lack images of what runs.

    Raises:
        FtlError: There is a cluster, and no manager that could change it; or its packets would pass the internet in
            clear; or a server that is no longer in the file has replicas.
    """
    if in_clear:
        refuse_clear(
            members,
            cause="the project's network was made without encryption, which cannot be changed while it is used",
            hint=f"make it again: {ftl('remove')}, then {ftl('setup')}, which tries encryption first",
        )
    known = {node.id: node for node in nodes}
    _require_leader(members, nodes)
    at = {member.name: known[member.swarm.node] for member in members if member.swarm.node in known}
    removed = tuple(_removed(project, members, nodes))
    _require_empty(project, removed, known, busy or {})
    gone = {step.node for step in removed if isinstance(step, RemoveServer)}
    managers = _managers(members, at, nodes, gone)
    # Swarm counts managers that are down, and lets no other one go if the rest would be no majority of them.
    lost = [step for step in removed if known[step.node].state != "ready"]
    leaving = [step for step in removed if step not in lost]
    former = [each.name for each in members if each.swarm.is_member and each.name not in at]
    joining = [member for member in members if member.name not in at]
    first = members[0]
    begin: tuple[ClusterStep, ...] = ()
    if not nodes:
        joining = joining[1:]
        begin = (BeginCluster(first.name, first.address, pool_for(members)),)
    joins = [JoinCluster(each.name, each.address, each.name in managers) for each in joining]
    promotions = _role_steps(at, managers, "manager")
    is_tried = has_network and nodes and not joining and all(node.id not in untried for node in at.values())
    stages = (
        ClusterStage("leave", tuple((LeaveOldCluster(name),) for name in former)),
        ClusterStage("begin", (begin,)),
        ClusterStage("join", tuple((step,) for step in joins)),
        ClusterStage("nodes", ((*promotions, *_labels(project, members, at, lacking)),)),
        ClusterStage("network", (() if is_tried else (TryNetwork(first.name, has_network),),)),
        ClusterStage("remove", ((*lost, *leaving, *_role_steps(at, managers, "worker")),)),
    )
    return compact(stages)


def plan_recovery(
    members: Sequence[Member], progress: Mapping[str, tuple[float, ...]] | None = None
) -> tuple[ClusterStage, ...]:
    """Plan to rebuild a lost cluster from one of its managers that are left.

    `progress` is how far a server has followed the project: the manager that has followed it furthest is taken, of
    equals the first in the file.

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
        known = _known_managers(members)
        at = f" ({known})" if known else ""
        raise UsageError(
            "none of the servers that can be reached was a manager of the cluster",
            hint=f"if one of the managers still runs{at}, write it into ftl.yaml, behind the servers that "
            f"stay, and run {ftl('setup')}; without one, nothing is left of the cluster: `docker swarm leave --force` "
            f"on each server, then {ftl('setup')}",
        )
    survivor = max(managers, key=lambda member: (progress or {}).get(member.name, ()))
    others = [member for member in managers if member is not survivor]
    nodes = frozenset(member.swarm.node for member in members if member not in others)
    names = tuple(member.name for member in others)
    return (ClusterStage("recover", ((RecoverCluster(survivor.name, survivor.address, names, nodes),),)),)


def _require_leader(members: Sequence[Member], nodes: Sequence[SwarmNode]) -> None:
    """Refuse a cluster whose managers have no majority, or cannot be reached: it cannot be changed."""
    if nodes:
        return
    ours = known_nodes(members)
    lost = [member for member in members if member.swarm.is_member and is_ours(member, ours)]
    if not lost:
        return
    managers = [member.name for member in lost if member.swarm.is_manager]
    known = _known_managers(lost)
    if not managers:
        raise FtlError(
            "no manager of the cluster is among the servers of ftl.yaml: it cannot be changed",
            cause=f"its managers are at {known}" if known else None,
            hint=f"write one of them into ftl.yaml, behind the servers that stay, and run {ftl('setup')}, which makes "
            "the first server a manager; then take the other one out. If all of them are lost for good: "
            f"{ftl('setup --recover')}",
        )
    words = next((member.swarm.error for member in lost if member.swarm.error), "")
    raise FtlError(
        NO_MAJORITY, cause=words or f"managers that can be reached: {', '.join(managers)}", hint=RECOVER
    )


def _require_empty(
    project: str,
    removed: Sequence[ReleaseServer | RemoveServer],
    nodes: Mapping[str, SwarmNode],
    busy: Mapping[str, Sequence[str]],
) -> None:
    """Refuse to take a server out whose replicas Swarm would stop before it starts others."""
    for step in removed:
        node, services = nodes[step.node], busy.get(step.node, ())
        if services and node.state == "ready" and not node.is_drained(project):
            raise FtlError(
                f"{step.server} is no longer in ftl.yaml, and still has replicas of {', '.join(services)}",
                cause="Swarm would stop them before it starts others",
                hint=f"write it back into ftl.yaml, run {ftl(f'servers drain {step.server}')}, and take it out again",
            )


def _known_managers(members: Sequence[Member]) -> str:
    """Addresses of the managers that servers know, for people; empty where they know none."""
    return ", ".join(dict.fromkeys(address for member in members for address in member.swarm.managers))


def _managers(
    members: Sequence[Member], at: Mapping[str, SwarmNode], nodes: Sequence[SwarmNode], removed: set[str]
) -> frozenset[str]:
    """Hosts of the servers that are to be managers: the first of the file, those that are, then others in its order."""
    own = {node.id for node in at.values()}
    others = [node for node in nodes if node.id not in own | removed]
    number = managers_of(len(members) + len(others))
    number -= sum(node.role == "manager" for node in others)
    current = [member.name for member in members if member.name in at and at[member.name].role == "manager"]
    candidates = dict.fromkeys((members[0].name, *current, *(member.name for member in members)))
    return frozenset(list(candidates)[: max(number, 1)])


def _role_steps(at: Mapping[str, SwarmNode], managers: frozenset[str], role: str) -> Iterator[ClusterStep]:
    for server, node in at.items():
        if node.role != role and (server in managers) == (role == "manager"):
            yield ChangeRole(server, role)


def _labels(
    project: str, members: Sequence[Member], at: Mapping[str, SwarmNode], lacking: Set[str]
) -> Iterator[ClusterStep]:
    """Labels of the nodes; the Swarm places nothing on one that joins and lacks images.

    The next deploy brings these, and admits it.
    """
    for member in members:
        node = at.get(member.name)
        updates = _label_updates(
            project, member, node.labels if node is not None else {}, admits=member.name not in lacking
        )
        if updates:
            yield LabelNode(member.name, updates, member.roles)


def _label_updates(
    project: str, member: Member, current: Mapping[str, str], *, admits: bool
) -> dict[str, str | None]:
    desired = {labels.node_host(project): member.name}
    desired |= {labels.node_role(project, role): "true" for role in member.roles}
    admitted = labels.node_role(project, labels.ANY_ROLE)
    if admits or admitted in current:
        desired[admitted] = "true"
    updates: dict[str, str | None] = {
        name: value for name, value in desired.items() if current.get(name) != value
    }
    return updates | {name: None for name in _own_labels(project, current) if name not in desired}


def _own_labels(project: str, current: Mapping[str, str]) -> Iterator[str]:
    prefix = f"{labels.NODE_ROLE}.{project}."
    yield from (name for name in current if name == labels.node_host(project) or name.startswith(prefix))


def _removed(
    project: str, members: Sequence[Member], nodes: Sequence[SwarmNode]
) -> Iterator[ReleaseServer | RemoveServer]:
    own = {member.swarm.node for member in members}
    for node in nodes:
        server = node.labels.get(labels.node_host(project))
        if server is None or node.id in own:
            continue
        mine = dict.fromkeys(_own_labels(project, node.labels))
        names = (labels.node_drained(project), labels.node_jobless(project), labels.node_tried(project))
        mine |= {name: None for name in names if name in node.labels}
        if any(name.startswith(f"{labels.NODE_HOST}.") and name not in mine for name in node.labels):
            yield ReleaseServer(server, node.id, mine)
        else:
            yield RemoveServer(server, node.id, node.role == "manager")
