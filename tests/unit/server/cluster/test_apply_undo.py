"""Undo of a cluster's setup: after a failed step, or Ctrl-C."""

from __future__ import annotations

import pytest

from ftl.errors import EngineError, ErrorContext, FtlError
from ftl.events import Note, StepFailed, StepInterrupted, StepStarted, StepUndone
from ftl.server.cluster.membership import store_membership
from ftl.server.cluster.steps import (
    JoinCluster,
    LeaveOldCluster,
)
from tests.support.clock import run

from .swarm import engine_of
from .three_servers import BEGIN, NETWORK, ThreeServers, stored_nodes


def test_a_join_that_does_not_become_ready_is_undone_on_the_servers_of_this_run_only() -> None:
    """A server that was in the cluster before stays there; no node is left behind."""
    world = ThreeServers("ab", "a")
    world.cluster.slow = {"c"}
    with pytest.raises(FtlError, match="c joined the cluster but was not ready after 30 seconds") as caught:
        world.apply(JoinCluster("c", "10.0.0.3", manager=True))
    assert caught.value.place.server == "c"
    assert world.in_it() == {"a": True, "b": True, "c": False}
    assert set(world.cluster.nodes) == {"node-a", "node-b"}
    assert stored_nodes(world.sessions["c"]) == []
    assert [type(event) for event in world.events[1:]] == [StepFailed, StepUndone]


def test_a_cluster_that_was_begun_in_a_failed_run_is_gone_again() -> None:
    """Every server leaves."""
    world = ThreeServers()
    world.cluster.silent = {True, False}
    with pytest.raises(
        FtlError, match="the network between the servers does not work: no packet passes from a to b"
    ):
        world.apply(*BEGIN, NETWORK)
    assert world.in_it() == {"a": False, "b": False, "c": False}
    assert [stored_nodes(session) for session in world.sessions.values()] == [[], [], []]
    assert world.undone() == ["join_cluster", "join_cluster", "begin_cluster"]


def test_ctrl_c_while_a_cluster_is_begun_leaves_no_swarm() -> None:
    """The engine goes on with a call that is given up: a server that left too early would be in a Swarm later."""
    world = ThreeServers()
    world.cluster.seconds = 2
    world.interrupt(1, *BEGIN)
    assert world.in_it() == {"a": False, "b": False, "c": False}
    assert stored_nodes(world.sessions["a"]) == []
    assert [type(event) for event in world.events] == [StepStarted, StepInterrupted, StepUndone]
    assert world.undone() == ["begin_cluster"]


def test_ctrl_c_while_a_server_joins_lets_it_leave_again() -> None:
    """The cluster that was there before forgets its node."""
    world = ThreeServers("ab", "a")
    world.cluster.seconds = 2
    world.interrupt(1, JoinCluster("c", "10.0.0.3", manager=True))
    assert world.in_it() == {"a": True, "b": True, "c": False}
    assert set(world.cluster.nodes) == {"node-a", "node-b"}


def test_ctrl_c_while_a_server_leaves_an_old_cluster_removes_what_is_stored_of_it_too() -> None:
    """What is stored of a membership that is over would stay until the next join."""
    world = ThreeServers("ab", "a")
    run(store_membership(world.sessions["b"]))
    world.cluster.seconds = 2
    world.interrupt(1, LeaveOldCluster("b"))
    assert (world.in_it()["b"], stored_nodes(world.sessions["b"])) == (False, [])


def test_slow_servers_leave_one_after_the_other() -> None:
    """Each may take most of a minute, and all of them leave."""
    world = ThreeServers()
    world.cluster.seconds = 45
    world.cluster.silent = {True, False}
    with pytest.raises(FtlError, match="does not work"):
        world.apply(*BEGIN, NETWORK)
    assert world.in_it() == {"a": False, "b": False, "c": False}


def test_a_server_that_cannot_leave_again_is_named() -> None:
    """A warning says so, and what to do; the others leave all the same."""
    world = ThreeServers()
    world.cluster.silent = {True, False}
    engine_of(world.sessions["b"]).members.refuses = {"leave"}
    with pytest.raises(FtlError, match="does not work"):
        world.apply(*BEGIN, NETWORK)
    assert world.in_it() == {"a": False, "b": True, "c": False}
    assert world.undone() == ["join_cluster", "begin_cluster"]
    (note,) = [event for event in world.events if isinstance(event, Note)]
    assert (note.level, note.text) == (
        "warning",
        f"could not undo `{BEGIN[1].text}`: b cannot leave: it is busy",
    )
    assert "`ftl setup` again" in (note.hint or "")


def test_a_node_that_the_cluster_does_not_forget_is_named() -> None:
    """The second attempt knows it, although its server has left by then."""
    world = ThreeServers("ab", "a")
    world.cluster.slow = {"c"}
    engine_of(world.sessions["a"]).members.refuses = {"remove_node"}
    with pytest.raises(FtlError, match="was not ready"):
        world.apply(JoinCluster("c", "10.0.0.3", manager=False))
    assert (world.undone(), world.in_it()["c"]) == ([], False)
    assert "could not undo" in world.notes()[0]


def test_a_server_that_cannot_join_interrupts_the_others() -> None:
    """All that have begun to join leave again; the failed step is told apart from the interrupted one."""
    world = ThreeServers()
    world.cluster.slow = {"c"}
    engine_of(world.sessions["b"]).members.refuses = {"join"}
    with pytest.raises(EngineError, match="b does not join") as caught:
        world.apply(*BEGIN)
    assert caught.value.place == ErrorContext("b", None, "join_cluster")
    assert world.in_it() == {"a": False, "b": False, "c": False}
    ended = [(type(event), event.text) for event in world.events if isinstance(event, StepFailed)]
    assert ended == [(StepFailed, BEGIN[1].text), (StepInterrupted, BEGIN[2].text)]
