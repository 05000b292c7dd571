"""What doctor finds about a cluster."""

from __future__ import annotations

from dataclasses import replace

from ftl.engine import labels
from ftl.engine.calls.swarm import SwarmNode, SwarmState
from ftl.engine.values import Network
from ftl.server.cluster.doctor import judge, merged
from ftl.server.cluster.join import SwarmView
from ftl.server.doctor.finding import Finding

from .world import PROJECT, in_cluster, servers

NETWORK = Network("overlay", "ftl-c-shop", {labels.ENCRYPTED: "true"}, (), False, "overlay")


def levels(
    states: dict[str, SwarmState], nodes: list[SwarmNode], *, has_network: bool = True
) -> list[tuple[str, str]]:
    """Level and sentence of each finding."""
    found = SwarmView("a", nodes, NETWORK if has_network else None)
    return [(each.level, each.what) for each in judge(PROJECT, states, found)]


def test_a_cluster_as_it_should_be() -> None:
    """All managers are reachable, and the network is there."""
    members, nodes = in_cluster(servers(3), 3)
    states = {member.name: member.swarm for member in members}
    assert levels(states, nodes) == [("ok", "3 of 3 managers can be reached")]


def test_a_lost_server_and_a_missing_network() -> None:
    """A server that is down is a problem, and the last spare manager a warning."""
    members, nodes = in_cluster(servers(3), 3)
    states = {member.name: member.swarm for member in members[:2]}
    nodes[2] = replace(nodes[2], state="down", is_reachable=False)
    assert levels(states, nodes, has_network=False) == [
        ("problem", "c is down, as the managers see it"),
        ("warning", "2 of 3 managers can be reached: if one more fails, nothing can be changed"),
        ("problem", "shop has no network across the servers"),
    ]


def test_packets_over_the_internet_that_are_not_encrypted() -> None:
    """Between private addresses they may be; a server that is reached at a public one is named."""
    members, nodes = in_cluster(servers(3), 3)
    states = {member.name: member.swarm for member in members}
    found = SwarmView("a", nodes, replace(NETWORK, labels={labels.ENCRYPTED: "false"}))
    assert [each.level for each in judge(PROJECT, states, found)] == ["ok"]
    states["b"] = replace(states["b"], address="203.0.113.7")
    assert [each.what for each in judge(PROJECT, states, found) if each.level == "problem"] == [
        "the packets between the servers are not encrypted, and b is reached at a public address"
    ]


def test_servers_that_came_back_together_after_a_recovery() -> None:
    """They have a leader of their own, and requests that reach them get the release of before."""
    members, nodes = in_cluster(servers(3), 3)
    states = {member.name: member.swarm for member in members}
    states["a"] = replace(states["a"], labels={labels.CLUSTER: "2"})
    found = [
        each for each in judge(PROJECT, states, SwarmView("a", nodes[:1], NETWORK)) if each.level == "problem"
    ]
    assert [each.what for each in found] == [
        f"{server} is in the cluster of before a recovery, and serves the release of then" for server in "bc"
    ]
    assert "load balancer" in (found[0].fix or "")
    states["b"] = SwarmState(state="active", node="node-b")
    assert levels(states, nodes[:1])[0] == ("problem", "b is not in the cluster")


def test_workers_alone_are_no_lost_cluster() -> None:
    """Its managers may run: they are somewhere else than in the file, or do not answer."""
    states = {"b": SwarmState(state="active", node="node-b", managers=("10.0.0.1",))}
    (finding,) = judge(PROJECT, states, SwarmView())
    assert finding.what == "no manager of the cluster can be reached (10.0.0.1)"


def test_a_server_that_waits_for_a_deploy() -> None:
    """It joined, and lacks the images of what runs."""
    members, nodes = in_cluster(servers(3), 3)
    states = {member.name: member.swarm for member in members}
    own = {name: value for name, value in nodes[2].labels.items() if not name.endswith(".any")}
    nodes[2] = replace(nodes[2], labels=own)
    assert levels(states, nodes)[0] == (
        "warning",
        "c joined the cluster, and gets replicas with the next deploy",
    )


def test_two_managers_that_are_all_there() -> None:
    """None of them can be started again: what helps is a third."""
    members, nodes = in_cluster(servers(2), 2)
    states = {member.name: member.swarm for member in members}
    (finding,) = judge(PROJECT, states, SwarmView("a", nodes, NETWORK))
    assert finding.level == "warning"
    assert "add one to ftl.yaml" in (finding.fix or "")


def test_drained_servers() -> None:
    """By its label a server is only named; by Swarm's availability its proxy would not come back."""
    members, nodes = in_cluster(servers(3), 3)
    states = {member.name: member.swarm for member in members}
    nodes[1] = replace(nodes[1], labels={**nodes[1].labels, "ftl.drained.shop": "true"})
    nodes[2] = replace(nodes[2], availability="drain")
    (first, second, _) = levels(states, nodes)
    assert first == ("warning", "b is drained: nothing is placed on it")
    assert second[0] == "problem"
    assert second[1].startswith("c has the availability `drain`: a container that starts there")


def test_servers_that_are_no_cluster() -> None:
    """Before the first setup there is one finding; a cluster without a majority is explained."""
    assert levels({"a": SwarmState()}, []) == [("problem", "the servers are not one cluster yet")]
    lost = SwarmState(state="active", node="a", is_manager=True, error="no leader")
    ((level, text),) = levels({"a": lost}, [])
    assert level == "problem"
    assert "no majority of managers" in text
    assert levels({}, []) == []


def test_a_server_that_did_not_join() -> None:
    """It is in the file, and not in the cluster."""
    members, nodes = in_cluster(servers(2), 1)
    states = {members[0].name: members[0].swarm, "b": SwarmState()}
    assert levels(states, nodes[:1])[0] == ("problem", "b is not in the cluster")


def test_a_certificate_that_one_server_lacks_is_named_with_it() -> None:
    """Where all present the same, or none has one, it is said once, as with one server."""
    good = Finding("certificates", "shop.example.com", "ok", "issued by A")
    none = Finding(
        "certificates", "shop.example.com", "problem", "the server presents no certificate: x", "logs"
    )
    other = Finding(
        "certificates", "www.example.com", "problem", "the server presents no certificate: x", "logs"
    )
    there = Finding("there", "disk", "ok", "free")
    found = merged({"a": [there, good, other], "b": [there, none, other]})
    assert [(one.name, one.level) for one in found] == [
        ("a: disk", "ok"),
        ("a: shop.example.com", "ok"),
        ("www.example.com", "problem"),
        ("b: disk", "ok"),
        ("b: shop.example.com", "problem"),
    ]
    assert next(one.fix for one in found if one.level == "problem") == "logs"
    assert "another server presents a good one" in (found[-1].fix or "")
    assert merged({"a": [good], "b": [good]}) == [good]
