"""Three servers in memory, and the steps by which they become a cluster."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from ftl.engine import labels
from ftl.events import Note, StepUndone
from ftl.execution.executor import Executor
from ftl.execution.stages import StageOf
from ftl.server.cluster.apply import RUNNERS
from ftl.server.cluster.context import ActingManager, ClusterContext
from ftl.server.cluster.steps import (
    BeginCluster,
    JoinCluster,
    TryNetwork,
)
from tests.support.clock import run
from tests.support.fake_machine import FakeMachine

from .swarm import Cluster, engine_of, sessions_of
from .world import PROJECT, servers

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
            PROJECT, self._members, self.sessions, self.events.append, manager, self.connect_former
        )
        together = groupby(plan, lambda step: step.kind)
        stages = [StageOf(kind, tuple((step,) for step in group)) for kind, group in together]
        return Executor(stages, RUNNERS, context)

    @asynccontextmanager
    async def connect_former(self, host: str) -> AsyncIterator[Session]:
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

    def network_changes(self) -> list[str]:
        """What was done to networks."""
        return [change for change in self.cluster.changes if " create " in change or "network" in change]

    def tried(self) -> dict[str, str]:
        """The networks that nodes are known to work in, by node."""
        label = labels.node_tried(PROJECT)
        nodes = self.cluster.nodes.values()
        return {node.id.removeprefix("node-"): node.labels[label] for node in nodes if label in node.labels}

    def in_it(self) -> dict[str, bool]:
        """Which servers believe that they are in the cluster."""
        return {host: engine_of(session).members.member for host, session in self.sessions.items()}

    def notes(self) -> list[str]:
        """The notes that were emitted."""
        return [event.text for event in self.events if isinstance(event, Note)]


def stored_nodes(session: Session) -> list[str]:
    """The nodes whose membership is stored on a server."""
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
