"""The servers of a project's file, with a session to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.server.cluster.members import Member


@dataclass(frozen=True, slots=True)
class ConnectedServers:
    """The servers that become one cluster, or are one.

    Attributes:
        project: The project's name.
        members: The servers of the file.
        sessions: Their sessions, by name.
        emit: Receives the progress, and a note where packets are not encrypted.
    """

    project: str
    members: Sequence[Member]
    sessions: Mapping[str, Session]
    emit: Emit

    def member(self, name: str) -> Member:
        """The server of a name."""
        return next(member for member in self.members if member.name == name)
