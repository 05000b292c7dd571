"""Kinds of `ftl logs`: logs, requests or hooks, of one server or several, once or followed."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ftl.dataclass import dataclass
from ftl.events import Note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.config.models.server import ClusterServer
    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.events import Emit
    from ftl.host.session import Prefetch, Session
    from ftl.operations.views.logs.following import Mask
    from ftl.operations.views.logs.query import LogEntry, LogQuery
    from ftl.operations.views.logs.reading import Show, Warn
    from ftl.ssh.machine import Machine

LogKind = Literal["logs", "requests", "hooks"]
"""Logs of containers, requests that the proxy passed on, or output of the releases' hooks."""

SILENCE = 2.0
"""Seconds of following without a line until that is noted."""


class LogConnector(Protocol):
    """Connects to a server of a cluster, or without a name to the only one."""

    def __call__(
        self, host: str = "", ahead: Prefetch[Any] | None = None
    ) -> AbstractAsyncContextManager[Session]:
        """Connect; `ahead` is read as soon as that is possible."""


@dataclass(frozen=True, slots=True)
class LogAccess:
    """Servers of a project, for its logs.

    Attributes:
        machines: Those with release records, not entered yet.
        servers: Those of its cluster to read; empty with one server, also one that was chosen of several.
        mask: Masks the secrets of the releases, whose records a manager has.
        narrowed: Whether one server was chosen of several: it may have no records.
    """

    connect: LogConnector
    machines: Callable[[], Sequence[Machine]]
    servers: Sequence[ClusterServer]
    mask: Mask
    narrowed: bool


class Shown:
    """Shows entries and counts them.

    Attributes:
        silence: A sentence on what has printed nothing, for a log without lines; empty: the usual one.
    """

    def __init__(self, show: Show) -> None:
        self.count = 0
        self.silence = ""
        self._show = show

    def __call__(self, entry: LogEntry) -> None:
        """Show one."""
        self.count += 1
        self._show(entry)


@dataclass(frozen=True, slots=True)
class LogReading:
    """Lines to read, and who receives them."""

    query: LogQuery
    show: Shown
    warn: Warn
    emit: Emit


async def show_logs(kind: LogKind, access: LogAccess, reading: LogReading, *, follow: bool) -> None:
    """Show the lines of a kind; with `follow` until cancelled, or until the release is gone.

    Raises:
        FtlError: The first connection fails, or there is nothing to read.
    """
    if access.narrowed:  # a worker has no records of releases, whose secrets are redacted
        await access.mask()
    show = _KINDS[kind, bool(access.servers), follow]
    await show(access, reading)
    if follow:  # has ended by itself
        names = ", ".join(reading.query.names)
        reading.emit(Note(f"no container of {names} in {reading.query.release} is left: the log ends here"))


async def _hooks(access: LogAccess, reading: LogReading) -> None:
    from ftl.host.fleet import open_readable
    from ftl.operations.views.logs.hooks import read_hooks

    async with open_readable(access.machines(), reading.emit) as fleet:
        reading.show.silence = await read_hooks(fleet.first.engine, reading.query, reading.show)


async def _followed_hooks(access: LogAccess, reading: LogReading) -> None:
    from ftl.host.fleet import open_readable
    from ftl.operations.views.logs.following import keep_connected
    from ftl.operations.views.logs.hooks import HookFollower

    @asynccontextmanager
    async def connect() -> AsyncIterator[Session]:
        async with open_readable(access.machines(), reading.emit) as fleet:
            yield fleet.first

    with _noting_silence(reading):
        await keep_connected(connect, HookFollower(reading.query, reading.show, reading.warn), reading.emit)


async def _logs(access: LogAccess, reading: LogReading) -> None:
    from ftl.host.session import Prefetch

    ahead = Prefetch(partial(_listed, reading.query), ("ftl.operations.views.logs.reading",))
    async with access.connect(ahead=ahead) as session:
        from ftl.operations.views.logs.reading import LogServer, read_logs

        containers = [await ahead.result(session.engine)]
        servers = [LogServer(session.engine)]
        await read_logs(servers, reading.query, reading.show, reading.warn, containers=containers)


async def _listed(query: LogQuery, engine: Engine) -> list[Container]:
    from ftl.operations.views.logs.reading import listed

    return await listed(engine, query)


async def _followed_logs(access: LogAccess, reading: LogReading) -> None:
    from ftl.operations.views.logs.following import Follower, keep_connected

    with _noting_silence(reading):
        follower = Follower(
            reading.query, reading.show, reading.warn, mask=access.mask if access.narrowed else None
        )
        await keep_connected(access.connect, follower, reading.emit)


async def _requests(access: LogAccess, reading: LogReading) -> None:
    from ftl.operations.views.logs.access import read_access

    async with access.connect() as session:
        await read_access(session, reading.query, reading.show)


async def _followed_requests(access: LogAccess, reading: LogReading) -> None:
    from ftl.operations.views.logs.access import AccessFollower
    from ftl.operations.views.logs.following import keep_connected

    requests = AccessFollower(
        reading.query, reading.show, reading.warn, mask=access.mask if access.narrowed else None
    )
    with _noting_silence(reading):
        await keep_connected(access.connect, requests, reading.emit)


async def _of_several(access: LogAccess, reading: LogReading, *, follow: bool, requests: bool) -> None:
    """Show or follow the logs of a cluster's servers; requests are those of the servers with a proxy."""
    from ftl.config.models.server import WEB
    from ftl.host.fleet import open_readable
    from ftl.operations.views.logs.cluster import follow_servers, log_servers, read_requests
    from ftl.operations.views.logs.masking import mask_secrets_of_cluster
    from ftl.operations.views.logs.reading import has_logs, read_logs, show_recorded
    from ftl.ssh.machine import machine_of

    query, show, warn, emit = reading.query, reading.show, reading.warn, reading.emit
    asked = [server for server in access.servers if WEB in server.roles or not requests]
    machines = [machine_of(server, project=query.project) for server in asked]
    async with open_readable(machines, emit) as fleet:
        sources = log_servers(fleet, emit)
        query = query.at(fleet.first.info.moment)
        # The managers may all be among the servers that are not asked.
        otherwise = access.mask if requests else None
        await mask_secrets_of_cluster(fleet, query.project, warn, otherwise=otherwise)
        if requests and not follow:
            await read_requests(fleet, sources, query, show)
        elif not follow:
            await read_logs(sources, query, show, warn)
        elif not requests and not await has_logs(sources, query):
            await show_recorded(fleet.first.engine, query, show, ", ".join(fleet.names))
            return
    if follow:
        with _noting_silence(reading):
            await follow_servers(
                sources, access.connect, query, show, warn, emit, requests=requests, mask=access.mask
            )


_KINDS: Mapping[tuple[LogKind, bool, bool], Callable[[LogAccess, LogReading], Awaitable[None]]] = {
    ("logs", False, False): _logs,
    ("logs", False, True): _followed_logs,
    ("requests", False, False): _requests,
    ("requests", False, True): _followed_requests,
    ("logs", True, False): partial(_of_several, follow=False, requests=False),
    ("logs", True, True): partial(_of_several, follow=True, requests=False),
    ("requests", True, False): partial(_of_several, follow=False, requests=True),
    ("requests", True, True): partial(_of_several, follow=True, requests=True),
    ("hooks", False, False): _hooks,
    ("hooks", False, True): _followed_hooks,
    ("hooks", True, False): _hooks,
    ("hooks", True, True): _followed_hooks,
}
"""Kind, whether of several servers, whether followed -> the function that shows it."""


@contextmanager
def _noting_silence(reading: LogReading) -> Iterator[None]:
    """Note that nothing is logged yet, once a first line had time to come."""
    from asyncio import get_running_loop

    def note() -> None:
        if not reading.show.count:
            reading.emit(Note(f"{nothing_logged(reading.query.names)}; waiting for lines (Ctrl-C stops)"))

    timer = get_running_loop().call_later(SILENCE, note)
    try:
        yield
    finally:
        timer.cancel()


def nothing_logged(names: Sequence[str], since: str | None = None, *, matching: str | None = None) -> str:
    """The note that these containers have logged nothing, or nothing since then or like that."""
    listed = ", ".join(names)
    if matching is not None:
        return f"{listed}: no line matches {matching}"
    return f"{listed}: nothing logged since {since}" if since else f"{listed}: nothing logged yet"
