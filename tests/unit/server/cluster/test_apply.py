"""The steps by which servers become a cluster, on servers in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.engine import labels
from ftl.errors import EngineError
from ftl.server.cluster import steps
from ftl.server.cluster.apply import RUNNERS
from ftl.server.cluster.membership import store_membership
from ftl.server.cluster.steps import (
    ChangeRole,
    JoinCluster,
    LabelNode,
    LeaveOldCluster,
)
from tests.support.clock import run

from .swarm import engine_of

if TYPE_CHECKING:
    from ftl.server.cluster.steps import ClusterStep

from .three_servers import BEGIN, ThreeServers, stored_nodes


def test_servers_become_a_cluster_and_know_it() -> None:
    """Each has stored its node: with it, a later setup knows that the membership is FTL's."""
    world = ThreeServers()
    world.apply(*BEGIN, ChangeRole("c", "manager"), LabelNode("b", {"ftl.host.shop": "b"}, ("web",)))
    assert {node.id: node.role for node in world.cluster.nodes.values()} == dict.fromkeys(
        ("node-a", "node-b", "node-c"), "manager"
    )
    assert world.cluster.nodes["node-b"].labels == {"ftl.host.shop": "b"}
    assert [stored_nodes(session) for session in world.sessions.values()] == [
        ["node-a"],
        ["node-b"],
        ["node-c"],
    ]
    assert world.cluster.labels == {labels.CLUSTER: "1"}


def test_what_is_stored_of_an_earlier_membership_is_replaced() -> None:
    """It names another node."""
    world = ThreeServers("a", "a")
    session = world.sessions["a"]
    run(
        session.engine.create_volume("ftl-cluster", {labels.ROLE: labels.ROLE_CLUSTER, labels.CLUSTER: "old"})
    )
    run(store_membership(session))
    assert stored_nodes(session) == ["node-a"]


def test_a_server_that_was_forgotten_leaves_before_it_joins_again() -> None:
    """Its engine refuses to join as long as it believes that it is a member."""
    world = ThreeServers("ab", "a")
    del world.cluster.nodes["node-b"]
    world.apply(LeaveOldCluster("b"), JoinCluster("b", "10.0.0.2", manager=False))
    assert world.cluster.changes == ["b: leave", "b: join as a worker at 10.0.0.1"]


@pytest.mark.parametrize("step", [BEGIN[0], JoinCluster("a", "10.0.0.1", manager=False)])
def test_a_server_stays_in_a_swarm_that_somebody_else_began_meanwhile(step: ClusterStep) -> None:
    """Its engine refuses to begin or join another one: that Swarm is not ours to leave."""
    world = ThreeServers("b", "b")
    engine_of(world.sessions["a"]).members.other = True
    with pytest.raises(EngineError, match="a is in a swarm"):
        world.apply(step)
    assert "a: leave" not in world.cluster.changes


def test_every_step_of_a_cluster_has_a_runner() -> None:
    """The planner plans nothing else."""
    kinds = [each for each in vars(steps).values() if isinstance(each, type) and "kind" in vars(each)]
    assert set(kinds) == set(RUNNERS)
