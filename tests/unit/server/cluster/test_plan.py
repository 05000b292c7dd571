"""The cluster planner, by tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.engine import labels
from ftl.engine.calls.swarm import SwarmState
from ftl.errors import FtlError
from ftl.execution.stages import steps_of
from ftl.server.cluster.plan import plan, plan_recovery
from ftl.server.cluster.steps import (
    BeginCluster,
    ChangeRole,
    JoinCluster,
    LabelNode,
    LeaveOldCluster,
    RecoverCluster,
    ReleaseServer,
    RemoveServer,
    TryNetwork,
)

from .world import PROJECT, in_cluster, node, server, servers, with_facts


@pytest.mark.parametrize(("number", "managers"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (7, 5)])
def test_new_servers_become_one_cluster(number: int, managers: int) -> None:
    """The first begins it, the others join; an odd number of them are managers, the first of the file."""
    steps = steps_of(plan(PROJECT, servers(number), (), has_network=False))
    begin, *others = steps
    assert begin == BeginCluster("a", "10.0.0.1", "10.213.0.0/16")
    joins = [step for step in others if isinstance(step, JoinCluster)]
    assert [step.server for step in joins] == list("bcdefg"[: number - 1])
    assert [step.manager for step in joins] == [True] * (managers - 1) + [False] * (number - managers)
    assert sum(isinstance(step, LabelNode) for step in others) == number
    assert others[-1] == TryNetwork("a", exists=False)


@pytest.mark.parametrize(("number", "managers"), [(1, 1), (2, 1), (3, 3), (5, 5)])
def test_a_second_run_changes_nothing(number: int, managers: int) -> None:
    """A cluster that is as it should be needs no step."""
    members, nodes = in_cluster(servers(number), managers)
    assert plan(PROJECT, members, nodes, has_network=True) == ()


def test_a_third_server_makes_three_managers() -> None:
    """It joins as a manager, and the worker there is becomes one; the existing network is tried with it."""
    members, nodes = in_cluster(servers(2), 1)
    steps = steps_of(plan(PROJECT, [*members, server(2)], nodes, has_network=True))
    assert [(step.kind, step.server) for step in steps] == [
        ("join_cluster", "c"),
        ("change_role", "b"),
        ("label_node", "c"),
        ("try_network", "a"),
    ]
    assert steps[0] == JoinCluster("c", "10.0.0.3", manager=True)


def test_a_server_that_is_no_longer_in_the_file_is_removed() -> None:
    """Another manager becomes a worker first, so that the number of managers stays odd."""
    members, nodes = in_cluster(servers(3), 3)
    steps = steps_of(plan(PROJECT, members[:2], nodes, has_network=True))
    assert steps == (RemoveServer("c", "node-c", is_manager=True), ChangeRole("b", "worker"))


def test_a_manager_that_is_down_is_removed_before_another_one_becomes_a_worker() -> None:
    """Swarm would refuse: of three managers, of which one is down, no other one can be spared."""
    members, nodes = in_cluster(servers(5), 5)
    nodes[4] = replace(nodes[4], state="down", is_reachable=False)
    steps = steps_of(plan(PROJECT, [members[0], *members[2:4]], nodes, has_network=True))
    assert [(step.kind, step.server) for step in steps] == [("remove_server", "e"), ("remove_server", "b")]
    steps = steps_of(plan(PROJECT, members[:2], nodes, has_network=True))
    assert [(step.kind, step.server) for step in steps] == [
        ("remove_server", "e"),
        ("remove_server", "c"),
        ("remove_server", "d"),
        ("change_role", "b"),
    ]


def test_the_first_server_is_a_manager() -> None:
    """It is the one that stays when the others go; the manager before it becomes a worker when it is one."""
    members, nodes = in_cluster(servers(2), 1)
    steps = steps_of(plan(PROJECT, members[::-1], nodes[::-1], has_network=True))
    assert steps == (ChangeRole("b", "manager"), ChangeRole("a", "worker"))


def test_a_cluster_of_which_no_manager_is_in_the_file() -> None:
    """It is not lost: nothing is said about a majority, and the way out begins with one of its managers."""
    worker = SwarmState(state="active", node="node-b", managers=("10.0.0.1",))
    members = [with_facts(server(1), swarm=worker, stored_node="node-b")]
    with pytest.raises(
        FtlError, match=r"no manager of the cluster is among the servers of ftl\.yaml"
    ) as caught:
        plan(PROJECT, members, (), has_network=False)
    assert caught.value.cause == "its managers are at 10.0.0.1"
    with pytest.raises(FtlError) as caught:
        plan_recovery(members)
    assert "if one of the managers still runs (10.0.0.1)" in (caught.value.hint or "")


def test_a_server_that_another_project_uses_stays_in_the_cluster() -> None:
    """Only this project's labels are taken from it, and the managers stay."""
    members, nodes = in_cluster(servers(3), 3)
    shared = replace(nodes[2], labels={**nodes[2].labels, labels.node_host("blog"): "c.example.com"})
    (step,) = steps_of(plan(PROJECT, members[:2], [*nodes[:2], shared], has_network=True))
    assert isinstance(step, ReleaseServer)
    assert set(step.labels) == set(nodes[2].labels)


@pytest.mark.parametrize("shared", [{}, {labels.node_host("blog"): "c"}])
def test_a_server_with_replicas_is_not_taken_out(shared: dict[str, str]) -> None:
    """Swarm would stop them first, also where it only takes the project's labels away; a drained one is removed."""
    members, nodes = in_cluster(servers(3), 3)
    nodes[2] = replace(nodes[2], labels={**nodes[2].labels, **shared})
    busy = {"node-c": ("web", "mail"), "node-b": ("web",)}
    with pytest.raises(
        FtlError, match=r"c is no longer in ftl\.yaml, and still has replicas of web, mail"
    ) as caught:
        plan(PROJECT, members[:2], nodes, has_network=True, busy=busy)
    assert "servers drain c" in (caught.value.hint or "")
    for left in (
        replace(nodes[2], labels={**nodes[2].labels, labels.node_drained(PROJECT): "true"}),
        replace(nodes[2], state="down"),
    ):
        assert plan(PROJECT, members[:2], [*nodes[:2], left], has_network=True, busy=busy)


def test_a_server_that_joins_without_the_images_gets_no_replicas_yet() -> None:
    """The next deploy brings them, and admits it; one that has them, or is admitted, keeps the label."""
    members, nodes = in_cluster(servers(2), 1)

    def label(*lacking: str) -> tuple[str, set[str]]:
        steps = steps_of(
            plan(PROJECT, [*members, server(2)], nodes, has_network=True, lacking=frozenset(lacking))
        )
        (step,) = (step for step in steps if isinstance(step, LabelNode))
        return step.server, set(step.labels)

    roles = {"ftl.host.shop", "ftl.role.shop.web", "ftl.role.shop.worker"}
    assert label("c", "b") == ("c", roles)
    assert label("b") == ("c", {*roles, "ftl.role.shop.any"})
    joined, with_it = in_cluster(servers(3), 3)
    waiting = {name: value for name, value in with_it[2].labels.items() if not name.endswith(".any")}
    with_it[2] = replace(with_it[2], labels=waiting)
    assert plan(PROJECT, joined, with_it, has_network=True, lacking=frozenset("c")) == ()


def test_nodes_without_labels_of_the_project_are_left_alone() -> None:
    """A cluster that another project made is joined as it is: its servers count for the managers."""
    members, nodes = in_cluster(servers(3), 3)
    others = [replace(each, labels={labels.node_host("blog"): each.id}) for each in nodes]
    steps = steps_of(plan(PROJECT, members[:1], others, has_network=False))
    assert [step.kind for step in steps] == ["label_node", "try_network"]


def test_changed_roles_are_labels() -> None:
    """A role that was taken away is removed from the node."""
    members, nodes = in_cluster(servers(1), 1)
    (step,) = steps_of(plan(PROJECT, [replace(members[0], roles=("web", "gpu"))], nodes, has_network=True))
    assert isinstance(step, LabelNode)
    assert step.labels == {"ftl.role.shop.gpu": "true", "ftl.role.shop.worker": None}


def test_a_server_that_the_managers_have_forgotten_joins_again() -> None:
    """It was removed, or away during a recovery: its engine still thinks that it is a member."""
    members, nodes = in_cluster(servers(3), 3)
    old = SwarmState(state="active", node="old", is_manager=True, error="no leader")
    returned = with_facts(server(2), swarm=old, stored_node="old")
    steps = steps_of(plan(PROJECT, [*members[:2], returned], nodes[:2], has_network=True))
    assert steps[:2] == (LeaveOldCluster("c"), JoinCluster("c", "10.0.0.3", manager=True))


def test_a_cluster_without_a_majority_is_explained() -> None:
    """Nothing is begun beside it; the hint names the way out."""
    words = "rpc error: The swarm does not have a leader"
    lost = SwarmState(state="active", node="node-a", is_manager=True, error=words)
    members = [with_facts(server(0), swarm=lost, stored_node="node-a"), server(1)]
    with pytest.raises(FtlError, match="no majority of managers") as caught:
        plan(PROJECT, members, (), has_network=False)
    assert caught.value.cause == words
    assert "--recover" in (caught.value.hint or "")


def test_a_lost_cluster_is_begun_anew_by_a_step() -> None:
    """From the manager that knows most, else the first; the others forget it, and workers that answer stay."""
    lost = SwarmState(state="active", node="node-b", is_manager=True, error="no leader")
    worker = SwarmState(state="active", node="node-d")
    members = [
        server(0),
        with_facts(server(1), swarm=lost, stored_node="node-b"),
        with_facts(server(2), swarm=replace(lost, node="node-c"), stored_node="node-c"),
        with_facts(server(3), swarm=worker, stored_node="node-d"),
    ]
    (step,) = steps_of(plan_recovery(members))
    assert step == RecoverCluster("b", "10.0.0.2", ("c",), frozenset({"", "node-b", "node-d"}))
    (step,) = steps_of(plan_recovery(members, {"b": (3.0,), "c": (4.0,), "d": (5.0,)}))
    assert step == RecoverCluster("c", "10.0.0.3", ("b",), frozenset({"", "node-c", "node-d"}))


def test_servers_leave_and_join_side_by_side() -> None:
    """One stage each: the others wait until all have ended."""
    stages = plan(PROJECT, servers(3), (), has_network=False)
    assert [(stage.name, len(stage.tracks)) for stage in stages] == [
        ("begin", 1),
        ("join", 2),
        ("nodes", 1),
        ("network", 1),
    ]


def test_a_renamed_server_keeps_its_node() -> None:
    """Another name for the same engine changes a label, and removes nothing."""
    members, nodes = in_cluster(servers(2), 1)
    renamed = replace(members[1], name="new.example.com")
    (step,) = steps_of(
        plan(PROJECT, [members[0], renamed], [nodes[0], node(members[1], "worker")], has_network=True)
    )
    assert isinstance(step, LabelNode)
    assert step.labels == {"ftl.host.shop": "new.example.com"}


def test_steps_are_described_in_the_imperative() -> None:
    """The description names the server, and where it matters its address, role or state."""
    texts = [
        BeginCluster("a", "10.0.0.1", "10.213.0.0/16").text,
        JoinCluster("b", "10.0.0.2", manager=False).text,
        LabelNode("b", {}, ("web", "gpu")).text,
        LabelNode("c", {}, ()).text,
        TryNetwork("a", exists=False).text,
        TryNetwork("a", exists=True).text,
    ]
    assert texts == [
        "create the cluster on a (10.0.0.1)",
        "add b (10.0.0.2) to the cluster as a worker",
        "label b with the roles web, gpu",
        "label c with no role",
        "create and test the network between the servers",
        "test the network between the servers",
    ]
