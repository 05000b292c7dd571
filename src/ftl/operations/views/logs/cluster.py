"""Logs of several servers as one stream, by time, without the differences of their clocks."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.errors import FtlError
from ftl.events import Note
from ftl.operations.views.logs.access import AccessFollower, read_access
from ftl.operations.views.logs.following import POLL_SECONDS, Follower, keep_connected
from ftl.operations.views.logs.reading import LogServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.operations.views.logs.following import Mask
    from ftl.operations.views.logs.query import LogEntry, LogQuery
    from ftl.operations.views.logs.reading import Show, Warn

CLOCK_SECONDS = 0.5
"""Least difference of clocks that is taken out.

An engine's word on its clock has aged by the way here.
"""

PAST_SECONDS = 30.0
"""Limit for the past of all servers; lines of those that answer by then are shown."""


def log_servers(fleet: Fleet, emit: Emit) -> list[LogServer]:
    """The servers to read, the first manager first.

    Notes name servers that do not answer, and those whose clocks differ.
    """
    first = fleet.first
    for server, error in fleet.missing.items():
        emit(Note(f"no logs from {server}: {error.message}", "warning"))
    servers = []
    for session in sorted(fleet, key=lambda each: each is not first):
        ahead = session.info.clock_ahead - first.info.clock_ahead
        if abs(ahead) < CLOCK_SECONDS:
            ahead = 0.0
        else:
            way = "ahead of" if ahead > 0 else "behind"
            emit(
                Note(
                    f"the clock of {session.name} is {abs(ahead):.1f} s {way} that of {first.name}: "
                    f"its lines have the time of {first.name}",
                    "warning",
                )
            )
        servers.append(LogServer(session.engine, session.name, ahead))
    return servers


async def read_requests(fleet: Fleet, servers: Sequence[LogServer], query: LogQuery, show: Show) -> None:
    """Show the requests that the proxies' logs still have, merged by time.

    Raises:
        FtlError: A server has no proxy.
    """

    async def read(server: LogServer) -> list[LogEntry]:
        lines: list[LogEntry] = []
        await read_access(fleet.at(server.name), server.by_own_clock(query), lines.append)
        return [server.corrected(line) for line in lines]

    merged = sorted((line for each in await gather(map(read, servers)) for line in each), key=_time)
    for line in query.last(merged):
        show(line)


async def follow_servers(
    servers: Sequence[LogServer],
    connect: Callable[[str], AbstractAsyncContextManager[Session]],
    query: LogQuery,
    show: Show,
    warn: Warn,
    emit: Emit,
    *,
    requests: bool,
    mask: Mask | None = None,
) -> None:
    """Follow the logs, or the requests, of several servers until cancelled.

    The logs of one release end once no server has a container of it. Each server has its own connection, which is made
    again when it is lost; notes say both. Lines of the past are shown in order, new ones as they come. The engines of
    `servers` are not used.

    Raises:
        FtlError: A first connection fails, or a server has no proxy.
    """
    past = _Past(query, show)
    there = dict.fromkeys((server.name for server in servers), True)

    def anywhere(server: str, has_containers: bool) -> bool:
        there[server] = has_containers
        return any(there.values())

    followers = {
        server.name: _catch_up(
            server, query, past, warn, partial(anywhere, server.name), requests=requests, mask=mask
        )
        for server in servers
    }

    async def follow(server: str) -> None:
        follower = followers[server]
        try:
            await keep_connected(lambda: connect(server), follower, emit)
        except FtlError as error:
            if len(followers) == 1:
                raise
            del followers[server], there[server]
            emit(Note(f"no logs from {server}: {error.message}", "warning"))

    async def open_past() -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + PAST_SECONDS
        while clock() < until and not all(follower.began for follower in followers.values()):  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS / 20)
        past.end()

    await gather([open_past(), *(follow(server.name) for server in servers)])


def _catch_up(
    server: LogServer,
    query: LogQuery,
    past: _Past,
    warn: Warn,
    anywhere: Callable[[bool], bool],
    *,
    requests: bool,
    mask: Mask | None,
) -> AccessFollower | Follower:
    request = server.by_own_clock(query)

    def show(entry: LogEntry) -> None:
        past.take(server.corrected(entry), old=not follower.began)

    follower: AccessFollower | Follower
    if requests:
        follower = AccessFollower(request, show, warn, mask=mask)
    else:
        follower = Follower(request, show, warn, anywhere=anywhere, mask=mask)
    return follower


class _Past:
    """Collects the lines of the past of all servers, and shows them by time; later ones are shown at once."""

    def __init__(self, query: LogQuery, show: Show) -> None:
        self._query = query
        self._show = show
        self._old: list[LogEntry] = []
        self._new: list[LogEntry] = []
        self._ended = False

    def take(self, entry: LogEntry, *, old: bool) -> None:
        """Take a line; `old` ones are of the past, of which only the tail is shown."""
        if self._ended:
            self._show(entry)
        else:
            (self._old if old else self._new).append(entry)

    def end(self) -> None:
        """Show the collected lines in the order of their times: of old ones only the tail asked for."""
        self._ended = True
        past = self._query.last(sorted(self._old, key=_time))
        for line in sorted((*past, *self._new), key=_time):
            self._show(line)


def _time(entry: LogEntry) -> str:
    return entry.time
