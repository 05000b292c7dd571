"""Cluster context: servers, Swarm and undo stack that the runners share."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.execution.undo import UndoStack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.calls.swarm import Swarm
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.server.cluster.members import Member
    from ftl.server.cluster.membership import FormerConnector

UNDO_SECONDS = 300.0
"""Limit for undoing all steps: a server leaves within a minute, and so does a node."""

AFTER_UNDO = (
    f"run {ftl('setup')} again: it continues from the current state; `docker node ls` on a manager shows it"
)


@dataclass(slots=True)
class ActingManager:
    """The manager by which the Swarm is changed; no `name`: there is no Swarm.

    If this run has `begun` the Swarm there, all of it goes if the run fails.
    """

    name: str
    begun: bool = False


@dataclass(slots=True)
class ClusterContext:
    """One run of a cluster's steps, at one server; the servers share all but `server`.

    Attributes:
        emit: Receives the progress, and a note where packets are not encrypted.
        manager: The manager of the Swarm there was before, or that begins one.
    """

    project: str
    members: Sequence[Member]
    sessions: Mapping[str, Session]
    emit: Emit
    manager: ActingManager
    connect_former: FormerConnector
    undo: UndoStack = field(default_factory=lambda: UndoStack(AFTER_UNDO, seconds=UNDO_SECONDS))
    server: str = ""

    def each(self, servers: Sequence[str]) -> tuple[ClusterContext, ...]:
        """Return this run at each of these servers."""
        return tuple(replace(self, server=server) for server in servers)

    @property
    def session(self) -> Session:
        """The session of the server."""
        return self.sessions[self.server]

    @property
    def swarm(self) -> Swarm:
        """The Swarm, as its manager has it."""
        return self.sessions[self.manager.name].engine.swarm

    async def node(self) -> str:
        """The node that the server is."""
        return (await self.session.engine.swarm.state()).node

    def address(self, name: str) -> str:
        """The address of a server, for the others."""
        return next(member.address for member in self.members if member.name == name)
