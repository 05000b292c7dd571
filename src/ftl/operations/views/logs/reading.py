"""Logs of a project's containers, merged by time into one stream. Read-only."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.common.figures import utc_time
from ftl.common.next_step import ftl
from ftl.common.suggestions import select_names
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import EngineError, FtlError
from ftl.host.job_logs import stored_run_logs
from ftl.operations.views.logs.masking import mask_secrets
from ftl.operations.views.logs.query import LogEntry
from ftl.releases.store import read_records

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.values import Container, LogLine
    from ftl.operations.views.logs.query import LogQuery

# The engine's answers for a container that was removed, or is being removed, while its log is read. Others concern this
# log alone: a driver that cannot be read (501; 400 and 500 on older engines).
_REMOVED_STATUSES = (404, 409)

NANOSECONDS = 1_000_000_000

Show = Callable[[LogEntry], None]
Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LogServer:
    """A server whose logs are read.

    Attributes:
        name: Its name; empty for a project's only server.
        ahead: Seconds by which its clock is ahead of that of the first server; 0 where that cannot be measured.
    """

    engine: Engine
    name: str = ""
    ahead: float = 0.0

    def by_own_clock(self, query: LogQuery) -> LogQuery:
        """A query with its times by this server's clock."""
        if not self.ahead:
            return query
        since = shifted(query.first, self.ahead) if query.first is not None else None
        until = shifted(query.end, self.ahead) if query.end is not None else None
        return replace(query, since=since, until=until)

    def corrected(self, entry: LogEntry) -> LogEntry:
        """A line of this server with its time by the first one's clock."""
        if not self.name:
            return entry
        time = shifted(entry.time, -self.ahead) if self.ahead else entry.time
        return entry._replace(server=self.name, time=time)


LogSource = tuple[LogServer, "Container"]
"""A container whose log is read, and its server."""


def shifted(time: str, seconds: float) -> str:
    """A time of RFC 3339 in UTC, moved by some seconds; with all of its nanoseconds."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    fraction = fraction.partition("+")[0]
    moment = round(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * NANOSECONDS
    moment += int(fraction.ljust(9, "0")[:9]) + round(seconds * NANOSECONDS)
    full, rest = divmod(moment, NANOSECONDS)
    return f"{utc_time(full):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


async def read_logs(
    servers: Sequence[LogServer],
    query: LogQuery,
    show: Show,
    warn: Warn,
    *,
    containers: Sequence[Sequence[Container]] | None = None,
) -> None:
    """Show the containers' logs up to the present, merged by time.

    The first server has the release records. `containers` are those of `listed`, by server, if they were listed
    already. `warn` gets a sentence for each container whose log cannot be read.

    Raises:
        FtlError: There is no such container, and no log that was kept with the release's record.
    """
    query = query.at((await servers[0].engine.info()).moment)
    lists = containers
    if lists is None:
        listing = gather(containers_of(server.engine, query) for server in servers)
        # Its secrets are redacted.
        lists = (await gather2(listing, mask_secrets(servers[0].engine, query.project)))[0]
    sources = [(server, one) for server, own in zip(servers, lists, strict=True) for one in own]
    kept = await kept_runs(servers, query, [one for _, one in sources])
    if not sources and not kept:
        await show_recorded(servers[0].engine, query, show, ", ".join(each.engine.name for each in servers))
        return
    await show_merged(sources, query, show, warn, kept)


async def has_logs(servers: Sequence[LogServer], query: LogQuery) -> bool:
    """Whether one of the servers has such a container, or kept lines of such a job's runs."""
    lists = await gather(containers_of(server.engine, query) for server in servers)
    containers = [one for own in lists for one in own]
    return bool(containers or await kept_runs(servers, query, containers))


async def show_merged(
    sources: Sequence[LogSource],
    query: LogQuery,
    show: Show,
    warn: Warn,
    kept: Sequence[Sequence[LogEntry]] = (),
) -> None:
    """Show the logs of these containers up to the present, merged by time.

    `kept` are lines of `kept_runs`.
    """
    async with aclosing(_merged(sources, query, warn, kept)) as merged:
        accepted = (entry async for entry in merged if query.accepts(entry))
        if query.tail is None:
            async for entry in accepted:
                show(entry)
            return
        last = deque([entry async for entry in accepted], maxlen=query.tail)
    for entry in last:
        show(entry)


async def kept_runs(
    servers: Sequence[LogServer], query: LogQuery, containers: Sequence[Container]
) -> list[list[LogEntry]]:
    """The kept lines of jobs' runs, by run, without those of `containers`, which have their own."""
    if not query.jobs:
        return []
    stored = await gather(
        stored_run_logs(server.engine, query.project, job) for server in servers for job in query.names
    )
    asked = [server for server in servers for _ in query.names]
    there = {container.id for container in containers}
    query.announce(log.name for logs in stored for log in logs)
    return [
        [
            server.corrected(LogEntry(log.service, log.name, log.container, log.release or None, *line))
            for line in log.lines
            if server.by_own_clock(query).spans(line.time)
        ]
        for server, logs in zip(asked, stored, strict=True)
        for log in logs
        if log.container not in there and query.release in (None, log.release)
    ]


async def show_recorded(engine: Engine, query: LogQuery, show: Show, servers: str) -> None:
    """Show what a failed release's record has kept of its containers, of which none is left.

    The engine is that of a server with the records; the error names all servers that were asked.

    Raises:
        FtlError: There is nothing.
    """
    lines = [entry for entry in await _kept_lines(engine, query, servers) if query.accepts(entry)]
    query.announce(entry.name for entry in lines)
    for entry in query.last(lines):
        show(entry)


async def _kept_lines(engine: Engine, query: LogQuery, servers: str) -> list[LogEntry]:
    if query.release is not None:
        records = {record.release: record for record in await read_records(engine, query.project)}
        select_names([query.release], list(records), kind="release")
        kept = [
            LogEntry(line.service, line.container, "", query.release, line.stream, line.time, line.text)
            for line in records[query.release].logs
            if line.service in query.names and query.spans(line.time)
        ]
        if kept:
            return kept
        raise FtlError(
            f"no container of {', '.join(query.names)} in {query.release} is left on {servers}",
            hint="logs are removed with their container; only a failed release keeps its last lines",
        )
    raise FtlError(
        f"no container of {', '.join(query.names)} runs on {servers}", hint=f"{ftl('deploy')} starts it"
    )


def is_ended(error: EngineError) -> bool:
    """Whether a container that is gone ended the log; raises errors of the connection."""
    if error.status == 0:  # no answer at all: the connection, or the engine
        raise error
    return error.status in _REMOVED_STATUSES


def unreadable(project: str, container: Container, error: EngineError) -> str:
    """The sentence about a log that cannot be read: the log driver `none`, for example."""
    name = container.name.removeprefix(f"{project}-")
    return f"the log of {name} cannot be read: {error.cause or error.message}"


async def containers_of(engine: Engine, query: LogQuery) -> list[Container]:
    """The containers whose logs are asked for, by name."""
    containers = await engine.containers(labels={labels.PROJECT: query.project})
    selected = sorted(filter(query.selects, containers), key=lambda container: container.name)
    query.announce(shown_name(query.project, container) for container in selected)
    return selected


async def listed(engine: Engine, query: LogQuery) -> list[Container]:
    """The containers whose logs are asked for; the project's secrets are redacted from then on."""
    containers, _ = await gather2(containers_of(engine, query), mask_secrets(engine, query.project))
    return containers


async def _merged(
    containers: Sequence[LogSource], query: LogQuery, warn: Warn, kept: Sequence[Sequence[LogEntry]]
) -> AsyncGenerator[LogEntry]:
    """The logs up to the present, merged by time with one line of each container in memory."""
    sources = [
        _entries(server, server.by_own_clock(query), container, warn) for server, container in containers
    ]
    sources += map(_listed, kept)
    heads: list[tuple[str, int, LogEntry]] = []
    try:
        firsts = await asyncio.gather(*(anext(source, None) for source in sources))
        heads = [(first.time, number, first) for number, first in enumerate(firsts) if first is not None]
        heapq.heapify(heads)
        while heads:
            _, number, entry = heads[0]
            yield entry
            following = await anext(sources[number], None)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following.time, number, following))
    finally:
        for source in sources:
            await source.aclose()


async def _listed(entries: Sequence[LogEntry]) -> AsyncGenerator[LogEntry]:
    for entry in entries:
        yield entry


async def _entries(
    server: LogServer, query: LogQuery, container: Container, warn: Warn
) -> AsyncGenerator[LogEntry]:
    tail = query.tail if query.matches is None else None
    lines = server.engine.logs(container.id, tail=tail, since=query.first, until=query.end)
    async with aclosing(lines):
        try:
            async for line in lines:
                yield server.corrected(entry_of(query.project, container, line))
        except EngineError as error:
            if not is_ended(error):
                warn(unreadable(query.project, container, error))


def shown_name(project: str, container: Container) -> str:
    """Name of a container in front of its lines.

    That of a Swarm task, SERVICE.SLOT.TASK, is shown without its last part.
    """
    full = container.name.rpartition(".")[0] if labels.SWARM_TASK in container.labels else container.name
    return full.removeprefix(f"{project}-").removeprefix(f"{project}.")


def entry_of(project: str, container: Container, line: LogLine) -> LogEntry:
    """A line with its container."""
    return LogEntry(
        service=container.labels[labels.SERVICE],
        name=shown_name(project, container),
        container=container.id,
        release=container.labels.get(labels.RELEASE),
        stream=line.stream,
        time=line.time,
        text=line.text,
    )
