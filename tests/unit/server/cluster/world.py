"""Servers and nodes of a cluster, as setup observes them."""

from __future__ import annotations

from dataclasses import replace

from ftl.engine import labels
from ftl.engine.calls.swarm import SwarmNode, SwarmState
from ftl.server.cluster.members import Member
from ftl.server.setup.observe.state import ClusterFacts, ServerAddress

PROJECT = "shop"


def server(number: int, *, mtu: int = 1500) -> Member:
    """A server that is in no Swarm; its host is a letter."""
    address = f"10.0.0.{number + 1}"
    facts = ClusterFacts(
        addresses=(ServerAddress(address, f"{address}/24", mtu),),
        engine_id=f"engine-{number}",
        version="26.1.5",
    )
    return Member("abcdefg"[number], address, ("web", "worker"), facts)


def servers(number: int) -> list[Member]:
    """Several of them."""
    return [server(each) for each in range(number)]


def with_facts(member: Member, **facts: object) -> Member:
    """A server with other facts."""
    return replace(member, facts=replace(member.facts, **facts))  # type: ignore[arg-type]


def in_cluster(members: list[Member], managers: int) -> tuple[list[Member], list[SwarmNode]]:
    """The servers as members of FTL's cluster, and its nodes."""
    ids = frozenset(f"node-{member.name}" for member in members)
    joined, nodes = [], []
    for number, member in enumerate(members):
        is_manager = number < managers
        state = SwarmState(
            state="active",
            node=f"node-{member.name}",
            address=member.address,
            is_manager=is_manager,
            cluster="cluster" if is_manager else "",
            labels={labels.CLUSTER: "true"} if is_manager else {},
        )
        joined.append(with_facts(member, swarm=state, nodes=ids if is_manager else frozenset()))
        nodes.append(node(member, "manager" if is_manager else "worker"))
    return joined, nodes


def node(member: Member, role: str, *, more: dict[str, str] | None = None) -> SwarmNode:
    """A node with the project's labels."""
    own = {labels.node_host(PROJECT): member.name, **(more or {})}
    own |= {labels.node_role(PROJECT, name): "true" for name in (labels.ANY_ROLE, *member.roles)}
    return SwarmNode(
        id=f"node-{member.name}",
        labels=own,
        role=role,
        availability="active",
        state="ready",
        address=member.address,
        is_reachable=role == "manager",
    )
