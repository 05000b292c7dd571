"""Servers that become one cluster, and a cluster that is begun anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.engine import labels
from ftl.errors import EngineError, ErrorContext, FtlError, UsageError
from ftl.events import StepFailed, StepFinished, StepStarted
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, write_record
from ftl.server.cluster.join import SwarmView, begin_anew, join, refresh, view
from ftl.server.cluster.membership import store_membership
from tests.support.clock import run

from .swarm import Cluster, engine_of, nobody, sessions_of
from .world import PROJECT, servers

if TYPE_CHECKING:
    from ftl.events import Event
    from ftl.host.session import Session
    from ftl.server.cluster.members import Member


def ignore(_: Event) -> None:
    """Take no notice of an event."""


def refreshed(sessions: dict[str, Session]) -> list[Member]:
    """The servers as their engines describe them."""
    return [run(refresh(member, sessions[member.name])) for member in servers(len(sessions))]


def test_a_second_run_finds_nothing_to_do() -> None:
    """The first one labels each node with its host and roles."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "a")
    for session in sessions.values():
        run(store_membership(session))
    events: list[Event] = []
    steps = run(join(PROJECT, refreshed(sessions), sessions, events.append, nobody))
    assert [step.kind for step in steps] == ["label_node", "label_node", "try_network"]
    assert cluster.nodes["node-b"].labels[labels.node_host(PROJECT)] == "b"
    assert run(join(PROJECT, refreshed(sessions), sessions, events.append, nobody)) == ()


@pytest.mark.parametrize("tried", ["", "a", "ab"])
def test_a_network_whose_trial_was_killed_is_tried_again(tried: str) -> None:
    """With all servers, also if it has been tried without the one that joined last. Then there is nothing to do."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "a")
    for session in sessions.values():
        run(store_membership(session))
    run(join(PROJECT, refreshed(sessions), sessions, ignore, nobody))
    for host in set("ab") - set(tried):
        cluster.nodes[f"node-{host}"] = replace(
            node := cluster.nodes[f"node-{host}"],
            labels={name: value for name, value in node.labels.items() if name != labels.node_tried(PROJECT)},
        )
    steps = run(join(PROJECT, refreshed(sessions), sessions, ignore, nobody))
    assert [step.kind for step in steps] == ["try_network"] * (tried != "ab")
    assert run(join(PROJECT, refreshed(sessions), sessions, ignore, nobody)) == ()


def test_a_server_is_described_by_its_engine() -> None:
    """What is stored there, its membership, and the nodes that a manager knows."""
    sessions = sessions_of(Cluster(), "abc", "ab", "a")
    run(store_membership(sessions["b"]))
    first, second, third = refreshed(sessions)
    assert first.facts.nodes == {"node-a", "node-b"}
    assert (second.facts.stored_node, second.swarm.is_manager, second.facts.nodes) == (
        "node-b",
        False,
        frozenset(),
    )
    assert (third.facts.engine_id, third.swarm.is_member) == ("engine-c", False)


def test_a_manager_that_is_lost_for_good_is_taken_out_of_the_file() -> None:
    """It goes first; of the two that are left one becomes a worker as soon as the other managers know."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "abc", "abc", "abc")
    for session in sessions.values():
        run(store_membership(session))
    run(join(PROJECT, refreshed(sessions), sessions, ignore, nobody))
    cluster.kill("c")
    left = {host: sessions[host] for host in "ab"}
    steps = run(join(PROJECT, refreshed(left), left, ignore, nobody))
    assert [step.kind for step in steps] == ["remove_server", "change_role"]
    assert {host: node.role for host, node in cluster.nodes.items()} == {
        "node-a": "manager",
        "node-b": "worker",
    }


def test_the_manager_of_two_servers_is_the_first_of_the_file() -> None:
    """The other one becomes a worker by it, and can then be taken out."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "a")
    for session in sessions.values():
        run(store_membership(session))
    run(join(PROJECT, refreshed(sessions), sessions, ignore, nobody))
    run(join(PROJECT, refreshed(sessions)[::-1], sessions, ignore, nobody))
    assert [node.role for node in cluster.nodes.values()] == ["worker", "manager"]
    alone = {"b": sessions["b"]}
    run(join(PROJECT, refreshed(sessions)[1:], alone, ignore, nobody))
    assert list(cluster.nodes) == ["node-b"]


def test_a_server_with_replicas_stays_until_it_is_drained() -> None:
    """Replicas that run count, and those of other projects do not."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "a")
    for session in sessions.values():
        run(store_membership(session))
    run(join(PROJECT, refreshed(sessions), sessions, ignore, nobody))
    cluster.run("web", "a")
    cluster.run("mail", "b", "preparing")
    first = refreshed(sessions)[:1]
    assert run(view(PROJECT, first, sessions)).busy == {"node-a": ("web",)}
    assert run(view("blog", first, sessions)).busy == {}
    cluster.run("web", "b")
    with pytest.raises(FtlError, match="still has replicas of web"):
        run(join(PROJECT, first, {"a": sessions["a"]}, ignore, nobody))
    assert list(cluster.nodes) == ["node-a", "node-b"]


def test_servers_that_lack_images_of_services_are_known() -> None:
    """Without a service there is none; one that a dry run does not ask is one of them."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "abc", "abc", "abc")
    members = refreshed(sessions)
    assert run(view(PROJECT, members, sessions)).lacking == frozenset()
    cluster.run("web", "a")
    for host in "ac":
        engine_of(sessions[host]).add_image("web:r1")
    del sessions["c"]
    assert run(view(PROJECT, members, sessions)).lacking == {"b", "c"}
    assert run(view("blog", members, sessions)).lacking == frozenset()


def test_the_newest_cluster_leads() -> None:
    """Without a leader there is no view of it."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "ab")
    assert run(view(PROJECT, refreshed(sessions), sessions)).lead == "a"
    cluster.majority = False
    assert run(view(PROJECT, refreshed(sessions), sessions)) == SwarmView()


def test_a_public_address_does_not_join_a_network_that_is_not_encrypted() -> None:
    """It is refused before it joins; beside an encrypted one it is only tried."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "a", "a")
    run(store_membership(sessions["a"]))
    first, second = refreshed(sessions)
    cluster.silent = {True}
    run(join(PROJECT, [first], {"a": sessions["a"]}, ignore, nobody))
    with pytest.raises(FtlError, match=r"b is reached at the public address 203.0.113.9") as caught:
        run(join(PROJECT, [first, replace(second, address="203.0.113.9")], sessions, ignore, nobody))
    assert "made without encryption" in (caught.value.cause or "")
    assert set(cluster.nodes) == {"node-a"}


def test_a_lost_cluster_is_begun_anew_from_one_survivor() -> None:
    """Other managers that are left forget it, those that are lost are removed, and workers that answer stay."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "abc", "abc", "ab")
    for session in sessions.values():
        run(store_membership(session))
    cluster.add("lost", "worker")
    cluster.majority = False
    events: list[Event] = []
    run(begin_anew(PROJECT, refreshed(sessions), sessions, events.append, nobody))
    assert cluster.changes[0] == "a: restart alone at 10.0.0.1"
    assert cluster.labels == {labels.CLUSTER: "2"}
    assert set(cluster.nodes) == {"node-a", "node-c"}
    assert [member.swarm.is_member for member in refreshed(sessions)] == [True, False, True]
    assert isinstance(events[-1], StepFinished)


def test_a_cluster_is_begun_anew_from_the_manager_with_the_newest_records() -> None:
    """The first of the file was away during a deploy: the rebuilt cluster must not have what was live before."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "ab")
    for session, release in zip(sessions.values(), ("r1", "r2"), strict=True):
        run(store_membership(session))
        run(ensure_store(session.engine, "web"))
        run(write_record(session.engine, PROJECT, ReleaseRecord(release, "live", 1.0)))
    cluster.majority = False
    run(begin_anew(PROJECT, refreshed(sessions), sessions, ignore, nobody))
    assert cluster.changes[0] == "b: restart alone at 10.0.0.2"


def test_managers_that_elect_a_leader_are_waited_for() -> None:
    """The machine of the former leader was restarted: a healthy cluster has none for some seconds."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "ab")
    for session in sessions.values():
        run(store_membership(session))
    cluster.majority = False

    async def work() -> None:
        asyncio.get_running_loop().call_later(5, lambda: setattr(cluster, "majority", True))
        await begin_anew(PROJECT, members, sessions, ignore, nobody)

    members = refreshed(sessions)
    with pytest.raises(UsageError, match="nothing to recover"):
        run(work())
    assert cluster.changes == []


def test_a_recovery_that_fails_is_reported() -> None:
    """Its error has the place of the step."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "ab")
    for session in sessions.values():
        run(store_membership(session))
    cluster.majority = False
    members = refreshed(sessions)
    engine_of(sessions["a"]).members.refuses = {"restart_alone"}
    events: list[Event] = []
    with pytest.raises(EngineError) as caught:
        run(begin_anew(PROJECT, members, sessions, events.append, nobody))
    assert caught.value.place == ErrorContext("a", None, "recover_cluster")
    assert [type(event) for event in events] == [StepStarted, StepFailed]


def test_a_cluster_with_a_majority_is_not_begun_anew() -> None:
    """Nor one of which no manager is left."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "ab", "ab", "a")
    with pytest.raises(UsageError, match="nothing to recover"):
        run(begin_anew(PROJECT, refreshed(sessions), sessions, ignore, nobody))
    alone = {"b": sessions["b"]}
    members = [run(refresh(servers(2)[1], alone["b"]))]
    with pytest.raises(UsageError, match="none of the servers that can be reached was a manager"):
        run(begin_anew(PROJECT, members, alone, ignore, nobody))
    assert cluster.changes == []


def one_of_three_managers() -> tuple[Cluster, dict[str, Session], list[Member]]:
    """A cluster whose other managers cannot be reached; it has not noticed yet."""
    cluster = Cluster()
    sessions = sessions_of(cluster, "a", "a", "a")
    for host in "bc":
        cluster.add(host, "manager")
    run(store_membership(sessions["a"]))
    return cluster, sessions, refreshed(sessions)


def test_a_majority_that_was_lost_just_now_is_noticed() -> None:
    """A leader goes on for some seconds without the others; whoever runs setup knows better."""
    cluster, sessions, members = one_of_three_managers()
    assert members[0].swarm.has_leader

    async def recover(seconds: float) -> None:
        async def lose() -> None:
            await asyncio.sleep(seconds)
            cluster.majority = False

        losing = asyncio.create_task(lose())
        try:
            await begin_anew(PROJECT, members, sessions, ignore, nobody)
        finally:
            losing.cancel()

    with pytest.raises(UsageError, match="nothing to recover"):
        run(recover(3600))
    run(recover(12))
    assert set(cluster.nodes) == {"node-a"}


def test_a_leader_that_steps_down_while_it_is_asked_is_noticed() -> None:
    """Its state still had a leader, and its nodes are not told any more."""
    cluster, sessions, members = one_of_three_managers()
    cluster.majority = False
    swarm = engine_of(sessions["a"]).members
    swarm.refuses.add("nodes")
    run(begin_anew(PROJECT, members, sessions, ignore, nobody))
    assert swarm.asked_for_nodes < 5
