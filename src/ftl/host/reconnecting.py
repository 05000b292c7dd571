"""Connections to several servers; each that is lost is made again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ftl.aio import cancel, task_group
from ftl.errors import FtlError, ServerError
from ftl.host.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.host.session import Session

ANSWER_SECONDS = 5.0
"""Limit for a connected server's answer; one without is lost.

ssh itself gives it up after 45 s."""

ASK_SECONDS = 2.0
"""Seconds between an answer of a server and the next question."""

PAUSE_SECONDS = 3.0
"""Seconds between two attempts to connect."""


class ReconnectingFleet:
    """Servers of which any may be lost and come back; see `reconnecting_fleet`."""

    def __init__(
        self, hosts: Sequence[str], connect: Callable[[str], AbstractAsyncContextManager[Session]]
    ) -> None:
        self._hosts = hosts
        self._connect = connect
        self._up: dict[str, Session] = {}
        self._missing: dict[str, FtlError] = {}
        self._tried = {host: asyncio.Event() for host in hosts}
        self._lost = asyncio.Event()

    async def use(self, work: Callable[[Fleet], Coroutine[Any, Any, None]]) -> bool:
        """Do work with the servers that answer; the others are in the fleet's `missing`.

        The first time, all of them had their chance to. Where one is lost meanwhile, the work is cancelled (False).

        Raises:
            FtlError: No server answers, or the work's own.
        """
        for tried in self._tried.values():
            await tried.wait()
        sessions = [self._up[host] for host in self._hosts if host in self._up]
        missing = {host: self._missing[host] for host in self._hosts if host in self._missing}
        if not sessions:
            raise next(iter(missing.values()))
        self._lost.clear()
        working = asyncio.create_task(work(Fleet(sessions, missing)))
        losing = asyncio.create_task(self._lost.wait())
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            return working.done()
        finally:
            await cancel(working, losing)

    async def keep(self, host: str) -> None:
        """Be connected to a server, again and again, until cancelled."""
        while True:
            try:
                async with self._connect(host) as session:
                    self._missing.pop(host, None)
                    self._up[host] = session
                    self._tried[host].set()
                    try:
                        await self._while_it_answers(session)
                    finally:
                        del self._up[host]
            except FtlError as error:
                self._missing[host] = error
            self._tried[host].set()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _while_it_answers(self, session: Session) -> None:
        """Ask a server's engine again and again, until it does not answer."""
        host = session.name
        try:
            while True:
                await asyncio.sleep(ASK_SECONDS)
                async with asyncio.timeout(ANSWER_SECONDS):
                    await session.engine.ping()
        except TimeoutError:
            self._missing[host] = ServerError(f"{host} no longer answers")
        except FtlError as error:
            self._missing[host] = error
        self._lost.set()


@asynccontextmanager
async def reconnecting_fleet(
    hosts: Sequence[str], connect: Callable[[str], AbstractAsyncContextManager[Session]]
) -> AsyncIterator[ReconnectingFleet]:
    """Connect to servers side by side, and again to those that are lost.

    Everything is closed at the end.

    `hosts` are the servers in the order of the file; `connect` opens a new session with one of them.
    """
    fleet = ReconnectingFleet(hosts, connect)
    async with task_group() as group:
        keeping = [group.create_task(fleet.keep(host)) for host in hosts]
        try:
            yield fleet
        finally:
            for task in keeping:
                task.cancel()
