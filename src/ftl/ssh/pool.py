"""Connections to a server: more than one where its sshd allows too few sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.errors import ServerError
from ftl.ssh import failures
from ftl.ssh.connection import Connection
from ftl.ssh.multiplexing.kept import Persistence

if TYPE_CHECKING:
    from ftl.ssh.multiplexing.sessions import SessionKind, Slot

_MOST = 8
"""Connections at most: a deploy has its lock, one transfer, and commands that run for a moment."""


class Pool:
    """The connections of one command to its server.

    Forwards go through the first, too. The others are opened when the server has refused a session on it, log in
    without asking anything, and end with us.
    """

    def __init__(self, first: Connection) -> None:
        self._first = first
        self._others: list[Connection] = []
        self._opening = asyncio.Lock()

    async def take(self, kind: SessionKind) -> tuple[Connection, Slot]:
        """Take a slot for a session, on the first connection that has one.

        Raises:
            ServerError: The connection is lost, or the server allows no further session.
        """
        while True:
            connections = [self._first, *self._others]
            for connection in connections:
                if not connection.alive:
                    raise connection.lost()
                await connection.master.first_command_ended()
                slot = await connection.master.sessions.take(kind)
                if slot is not None:
                    return connection, slot
            async with self._opening:
                if len(self._others) < len(connections):  # nobody has opened one meanwhile
                    self._others.append(await self._another())

    async def _another(self) -> Connection:
        refused = failures.failure(self._first.attempt, failures.SESSION_REFUSED)
        if len(self._others) + 1 >= _MOST:
            raise refused
        connection = Connection(self._first.server, interactive=False, keep=Persistence())
        try:
            await connection.connect()
        except ServerError as error:
            raise refused from error
        return connection

    async def close(self) -> None:
        """Leave all connections; bounded, and complete even when cancelled. Idempotent."""
        for connection in [*self._others, self._first]:
            await connection.close()
