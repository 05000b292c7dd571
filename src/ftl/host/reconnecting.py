"""Connections to several servers; each that is lost is made again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, task_group
from ftl.errors import FtlError, ServerError
from ftl.host.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.host.session import Session

ANSWER_SECONDS = 3.0
"""Limit for a connected server's answer; one without is lost.

ssh itself gives it up after 45 s."""

PAUSE_SECONDS = 3.0
"""Seconds between two attempts to connect."""


class ReconnectingFleet:
    """Servers of which any may be lost and come back; see `reconnecting_fleet`."""

    def __init__(
        self, hosts: Sequence[str], connect: Callable[[str], AbstractAsyncContextManager[Session]]
    ) -> None:
        self._hosts = hosts
        self._connect = connect
        self._up: dict[str, tuple[Session, asyncio.Event]] = {}
        self._missing: dict[str, FtlError] = {}
        self._tried = {host: asyncio.Event() for host in hosts}

    async def answering(self) -> Fleet:
        """The servers that answer now; the others are in `missing`.

        The first time, all of them had their chance to.

        Raises:
            ServerError: None answers.
        """
        for tried in self._tried.values():
            await tried.wait()
        sessions = [session for session in await gather(map(self._asked, self._hosts)) if session is not None]
        missing = {host: self._missing[host] for host in self._hosts if host in self._missing}
        if not sessions:
            raise next(iter(missing.values()))
        return Fleet(sessions, missing)

    async def _asked(self, host: str) -> Session | None:
        """The session of a server that answers, with what its engine says of itself now."""
        if host not in self._up:
            return None
        session, lost = self._up[host]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return replace(session, info=await session.engine.info())
        except TimeoutError:
            self._missing[host] = ServerError(f"{host} does not answer any more")
        except FtlError as error:
            self._missing[host] = error
        lost.set()
        return None

    async def keep(self, host: str) -> None:
        """Be connected to a server, again and again, until cancelled."""
        while True:
            try:
                async with self._connect(host) as session:
                    lost = asyncio.Event()
                    self._missing.pop(host, None)
                    self._up[host] = session, lost
                    self._tried[host].set()
                    await lost.wait()
                    del self._up[host]
            except FtlError as error:
                self._up.pop(host, None)
                self._missing[host] = error
            self._tried[host].set()
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def reconnecting_fleet(
    hosts: Sequence[str], connect: Callable[[str], AbstractAsyncContextManager[Session]]
) -> AsyncIterator[ReconnectingFleet]:
    """Connect to servers side by side, and again to those that are lost.

    Everything is closed at the end.

    Args:
        hosts: The servers, in the order of the file.
        connect: Opens a new session with one of them.
    """
    fleet = ReconnectingFleet(hosts, connect)
    async with task_group() as group:
        keeping = [group.create_task(fleet.keep(host)) for host in hosts]
        try:
            yield fleet
        finally:
            for task in keeping:
                task.cancel()
