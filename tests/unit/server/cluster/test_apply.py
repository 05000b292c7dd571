"""The steps of a cluster's setup, on servers in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from ftl.engine import labels
from ftl.errors import EngineError, ErrorContext, FtlError
from ftl.events import Note, StepFailed, StepInterrupted, StepStarted, StepUndone
from ftl.execution.executor import Executor
from ftl.execution.stages import StageOf
from ftl.server.cluster import steps
from ftl.server.cluster.apply import RUNNERS
from ftl.server.cluster.context import ActingManager, ClusterContext
from ftl.server.cluster.membership import mark, remove_node
from ftl.server.cluster.steps import (
    BeginCluster,
    ChangeRole,
    JoinCluster,
    LabelNode,
    LeaveOldCluster,
    ReleaseServer,
    RemoveServer,
    TryNetwork,
)
from tests.support.clock import run
from tests.support.fake_machine import FakeMachine

from .swarm import Cluster, engine_of, sessions_of
from .world import PROJECT, server, servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ftl.events import Event
    from ftl.host.session import Session
    from ftl.server.cluster.steps import ClusterStep

BEGIN = (
    BeginCluster("a", "10.0.0.1", "10.213.0.0/16"),
    JoinCluster("b", "10.0.0.2", manager=True),
    JoinCluster("c", "10.0.0.3", manager=False),
)
NETWORK = TryNetwork("a", exists=False)
NAME = "ftl-c-shop"


class ThreeServers:
    """Three servers, of which some are in a cluster."""

    def __init__(self, members: str = "", managers: str = "", public: bool = False) -> None:
        self.cluster = Cluster()
        self.sessions = sessions_of(self.cluster, "abc", members, managers)
        self.events: list[Event] = []
        self.silent: set[str] = set()
        self.leads: dict[str, str] = {}
        self._lead = managers[:1]
        self._members = servers(3)
        if public:
            self._members[2] = type(self._members[2])("c", "203.0.113.9", (), self._members[2].facts)

    def apply(self, *plan: ClusterStep) -> None:
        """Run steps."""
        run(self._executor(plan).run())

    def _executor(self, plan: Sequence[ClusterStep]) -> Executor[ClusterContext]:
        """Joins side by side, as they are planned."""
        manager = ActingManager(self._lead)
        context = ClusterContext(
            PROJECT, self._members, self.sessions, self.events.append, manager, self.visit
        )
        together = groupby(plan, lambda step: step.kind)
        stages = [StageOf(kind, tuple((step,) for step in group)) for kind, group in together]
        return Executor(stages, RUNNERS, context)

    @asynccontextmanager
    async def visit(self, host: str) -> AsyncIterator[Session]:
        """Reach a server that is not in the file any more; its name may lead to another one."""
        if host in self.silent:
            await asyncio.sleep(3600)
        yield self.sessions[self.leads.get(host, host)]

    def interrupt(self, seconds: float, *plan: ClusterStep) -> None:
        """Press Ctrl-C so long after the steps have begun; returns when engines have ended what they go on with."""

        async def main() -> None:
            running = asyncio.create_task(self._executor(plan).run())
            await asyncio.sleep(seconds)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await asyncio.sleep(60)

        run(main())

    def undone(self) -> list[str]:
        """The kinds of the steps that were undone."""
        return [event.step for event in self.events if isinstance(event, StepUndone)]

    def in_it(self) -> dict[str, bool]:
        """Which servers believe that they are in the cluster."""
        return {host: engine_of(session).members.member for host, session in self.sessions.items()}

    def notes(self) -> list[str]:
        """The notes that were emitted."""
        return [event.text for event in self.events if isinstance(event, Note)]


def marked(session: Session) -> list[str]:
    """The nodes that the marks on a server have."""
    volumes = run(session.engine.volumes(labels={labels.ROLE: labels.ROLE_CLUSTER}))
    return [volume.labels[labels.CLUSTER] for volume in volumes]


def crontab_written(session: Session) -> list[str]:
    """Which of the project's lines in the crontab of a server were written."""
    machine = session.machine
    assert isinstance(machine, FakeMachine)
    commands = [command for command in machine.commands if "ftl-crontab" in command]
    assert all(
        not text
        for command, text in zip(machine.commands, machine.inputs, strict=True)
        if command in commands
    )
    return [command[command.index("ftl-crontab") + 1] for command in commands]


def test_servers_become_a_cluster_and_are_marked() -> None:
    """Each has a mark of its node: with it, a later setup knows that the membership is FTL's."""
    world = ThreeServers()
    world.apply(*BEGIN, ChangeRole("c", "manager"), LabelNode("b", {"ftl.host.shop": "b"}, ("web",)))
    assert {node.id: node.role for node in world.cluster.nodes.values()} == dict.fromkeys(
        ("node-a", "node-b", "node-c"), "manager"
    )
    assert world.cluster.nodes["node-b"].labels == {"ftl.host.shop": "b"}
    assert [marked(session) for session in world.sessions.values()] == [["node-a"], ["node-b"], ["node-c"]]
    assert world.cluster.labels == {labels.CLUSTER: "1"}


def test_a_mark_of_an_earlier_membership_is_replaced() -> None:
    """It names another node."""
    world = ThreeServers("a", "a")
    session = world.sessions["a"]
    run(
        session.engine.create_volume("ftl-cluster", {labels.ROLE: labels.ROLE_CLUSTER, labels.CLUSTER: "old"})
    )
    run(mark(session))
    assert marked(session) == ["node-a"]


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


def test_a_join_that_does_not_become_ready_is_undone_on_the_servers_of_this_run_only() -> None:
    """A server that was in the cluster before stays there; no node is left behind."""
    world = ThreeServers("ab", "a")
    world.cluster.slow = {"c"}
    with pytest.raises(FtlError, match="c joined the cluster but was not ready after 30 seconds") as caught:
        world.apply(JoinCluster("c", "10.0.0.3", manager=True))
    assert caught.value.place.server == "c"
    assert world.in_it() == {"a": True, "b": True, "c": False}
    assert set(world.cluster.nodes) == {"node-a", "node-b"}
    assert marked(world.sessions["c"]) == []
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
    assert [marked(session) for session in world.sessions.values()] == [[], [], []]
    assert world.undone() == ["join_cluster", "join_cluster", "begin_cluster"]


def test_ctrl_c_while_a_cluster_is_begun_leaves_no_swarm() -> None:
    """The engine goes on with a call that is given up: a server that left too early would be in a Swarm later."""
    world = ThreeServers()
    world.cluster.seconds = 2
    world.interrupt(1, *BEGIN)
    assert world.in_it() == {"a": False, "b": False, "c": False}
    assert marked(world.sessions["a"]) == []
    assert [type(event) for event in world.events] == [StepStarted, StepInterrupted, StepUndone]
    assert world.undone() == ["begin_cluster"]


def test_ctrl_c_while_a_server_joins_lets_it_leave_again() -> None:
    """The cluster that was there before forgets its node."""
    world = ThreeServers("ab", "a")
    world.cluster.seconds = 2
    world.interrupt(1, JoinCluster("c", "10.0.0.3", manager=True))
    assert world.in_it() == {"a": True, "b": True, "c": False}
    assert set(world.cluster.nodes) == {"node-a", "node-b"}


def test_ctrl_c_while_a_server_leaves_an_old_cluster_takes_its_mark_too() -> None:
    """A mark of a membership that is over would stay until the next join."""
    world = ThreeServers("ab", "a")
    run(mark(world.sessions["b"]))
    world.cluster.seconds = 2
    world.interrupt(1, LeaveOldCluster("b"))
    assert (world.in_it()["b"], marked(world.sessions["b"])) == (False, [])


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


def test_every_step_of_a_cluster_has_a_runner() -> None:
    """The planner plans nothing else."""
    kinds = [each for each in vars(steps).values() if isinstance(each, type) and "kind" in vars(each)]
    assert set(kinds) == set(RUNNERS)


def test_an_mtu_that_the_way_does_not_carry_is_named_and_nothing_is_left() -> None:
    """Small packets alone would let a cluster look well until the first large answer."""
    world = ThreeServers()
    world.cluster.silent = {True, False}
    world.cluster.passes_small = True
    with pytest.raises(FtlError, match="small packets pass from a to b, and those of 1450 bytes"):
        world.apply(*BEGIN, NETWORK)
    assert world.in_it() == {"a": False, "b": False, "c": False}


def test_the_network_is_encrypted_where_that_works() -> None:
    """Its first subnets are left to Docker itself; nothing is said about it."""
    world = ThreeServers("abc", "a")
    world.apply(NETWORK)
    assert world.cluster.changes == [f"a: create {NAME} 10.213.16.0/24 0 encrypted"]
    assert world.notes() == []


def test_a_private_network_without_encryption_is_noted() -> None:
    """The encrypted one, which passes nothing, is removed first."""
    world = ThreeServers("abc", "a")
    world.cluster.silent = {True}
    world.apply(NETWORK)
    assert world.cluster.changes[1:] == ["a: remove the network", f"a: create {NAME} 10.213.16.0/24 0"]
    assert "are not encrypted" in world.notes()[0]


def test_packets_over_the_internet_are_encrypted_or_refused() -> None:
    """The network of the failed run is removed; the servers, which were a cluster before, stay one."""
    world = ThreeServers("abc", "a", public=True)
    world.cluster.silent = {True}
    with pytest.raises(FtlError, match=r"c is reached at the public address 203.0.113.9"):
        world.apply(NETWORK)
    assert world.cluster.networks == {}
    assert set(world.in_it().values()) == {True}


def test_a_network_that_exists_is_tried_and_kept() -> None:
    """Where it fails, the pairs are the details, and nothing is removed."""
    world = ThreeServers("abc", "a")
    world.apply(NETWORK)
    world.apply(TryNetwork("a", exists=True))
    world.cluster.silent = {True}
    with pytest.raises(FtlError, match="does not work") as caught:
        world.apply(TryNetwork("a", exists=True))
    assert len(caught.value.details) == 6
    assert list(world.cluster.networks) == [NAME]


def test_the_containers_of_a_trial_are_removed() -> None:
    """On every server, whatever the outcome was."""
    world = ThreeServers("abc", "a")
    world.apply(NETWORK)
    assert [engine_of(session).by_name for session in world.sessions.values()] == [{}, {}, {}]


def test_a_server_that_is_no_longer_in_the_file_is_drained_and_removed() -> None:
    """A manager becomes a worker first: the others would go on counting its vote."""
    world = ThreeServers("abc", "abc")
    world.apply(RemoveServer("c", "node-c", is_manager=True))
    changes = ["a: node-c drain", "a: node-c worker", "a: remove node-c", "c: leave"]
    assert world.cluster.changes == changes
    assert crontab_written(world.sessions["c"]) == ["write", "follow", "notify"]
    (note,) = [event for event in world.events if isinstance(event, Note)]
    text = "c is no longer in the cluster; its dependencies, volumes and proxy were not touched"
    assert (note.text, note.hint) == (text, None)


@pytest.mark.parametrize("reason", ["silent", "another", "down"])
def test_what_a_server_that_cannot_be_reached_goes_on_with_is_told(reason: str) -> None:
    """It is removed all the same. A name that leads to another machine by now changes nothing there."""
    world = ThreeServers("abc", "abc")
    if reason == "silent":
        world.silent = {"c"}
    elif reason == "another":
        world.leads = {"c": "b"}
    else:
        world.cluster.kill("c")
    world.apply(RemoveServer("c", "node-c", is_manager=True))
    assert "node-c" not in world.cluster.nodes
    assert world.in_it() == {"a": True, "b": True, "c": True}
    assert [crontab_written(session) for session in world.sessions.values()] == [[], [], []]
    (note,) = [event for event in world.events if isinstance(event, Note)]
    assert "docker swarm leave" in (note.hint or "")
    assert "remove the lines of shop from the crontab" in (note.hint or "")


def test_a_server_of_other_projects_loses_labels_only() -> None:
    """It stays in the cluster."""
    world = ThreeServers("abc", "a")
    run(
        world.sessions["a"].engine.swarm.update_node(
            "node-c", labels={"ftl.host.shop": "c", "ftl.host.blog": "c"}
        )
    )
    world.apply(ReleaseServer("c", "node-c", {"ftl.host.shop": None}))
    assert world.cluster.nodes["node-c"].labels == {"ftl.host.blog": "c"}
    assert crontab_written(world.sessions["c"]) == ["write", "follow", "notify"]
    assert (world.in_it()["c"], world.notes()) == (True, [])
    world.silent = {"b"}
    world.apply(ReleaseServer("b", "node-b", {"ftl.host.shop": None}))
    assert world.notes() == ["b could not be reached"]


def test_a_node_that_cannot_be_removed_is_tried_for_half_a_minute() -> None:
    """Then the engine's error is raised."""
    world = ThreeServers("ab", "ab")
    with pytest.raises(EngineError, match="cannot remove it"):
        run(remove_node(world.sessions["a"].engine.swarm, "node-b", is_manager=False))


def test_a_small_mtu_between_the_servers_is_one_of_the_network() -> None:
    """Swarm itself assumes 1500 bytes."""
    world = ThreeServers("abc", "a")
    world._members[1] = server(1, mtu=1400)
    world.apply(NETWORK)
    assert world.cluster.changes == [f"a: create {NAME} 10.213.16.0/24 1400 encrypted"]
