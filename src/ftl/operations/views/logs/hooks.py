"""Output of hooks: the lines in release records, and those of hooks that run. Read-only."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING

from ftl.aio import task_group
from ftl.common.suggestions import select_names
from ftl.engine import labels
from ftl.operations.views.logs.following import POLL_SECONDS, Follower, LogPosition
from ftl.operations.views.logs.query import LogEntry
from ftl.releases.store import read_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Container, LogLine
    from ftl.host.session import Session
    from ftl.operations.views.logs.query import LogQuery
    from ftl.operations.views.logs.reading import Show, Warn
    from ftl.releases.record import ReleaseRecord

RECORD_SECONDS = 5.0
"""Seconds after which the records are read again, also where no container has come or gone."""

_REMEMBERED = 1_000
"""Lines of a hook that are remembered: more than a record keeps of it."""


async def read_hooks(engine: Engine, query: LogQuery, show: Show) -> str:
    """Show the last lines of the hooks of all kept releases, by time, or those of one.

    The engine is that of a server with the release records; names of the query are services.

    Returns:
        A sentence on the hooks that have printed nothing.

    Raises:
        UsageError: There is no such release.
    """
    records = await read_records(engine, query.project)
    query = query.at((await engine.info()).moment)
    if query.release is not None:
        select_names([query.release], [record.release for record in records], kind="release")
    lines = [entry for entry in _entries(records, query) if query.accepts(entry)]
    query.announce(entry.name for entry in lines)
    for entry in query.last(lines):
        show(entry)
    return _silent(records, query)


def _silent(records: Sequence[ReleaseRecord], query: LogQuery) -> str:
    """A sentence on the hooks that printed nothing in the last release in which they ran; empty if all did."""
    last: dict[tuple[str, str], str] = {}
    for record in records:
        if query.release in (None, record.release):
            printed = {(line.service, line.hook) for line in record.logs}
            last |= {ran: "" if ran in printed else record.release for ran in _ran(record, query.names)}
    if not last:
        return f"no hook of {', '.join(query.names)} has run in {query.release or 'the kept releases'}"
    silent = [f"{hook} hook of {name} ({release})" for (name, hook), release in last.items() if release]
    return f"nothing was printed by the {' and the '.join(silent)}" if silent else ""


def _ran(record: ReleaseRecord, names: Sequence[str]) -> Iterable[tuple[str, str]]:
    """The hooks of a release that ran, by service: those of services that it started."""
    services = record.project.get("services")
    for service in services if isinstance(services, list) and record.hooks else ():
        name, hooks = service.get("name"), service.get("hooks") or {}
        started = record.services.get(name)
        if name not in names or started is None or started.release != record.release:
            continue
        if hooks.get("pre") and (record.pre_hooks is None or name in record.pre_hooks):
            yield name, "pre"
        if hooks.get("post") and record.outcome == "live":
            yield name, "post"


def _entries(records: Iterable[ReleaseRecord], query: LogQuery) -> list[LogEntry]:
    """The lines of hooks that records keep, by time."""
    entries = [
        LogEntry(line.service, line.container, "", record.release, line.stream, line.time, line.text)
        for record in records
        if query.release in (None, record.release)
        for line in record.logs
        if line.hook and line.service in query.names and query.spans(line.time)
    ]
    return sorted(entries, key=lambda entry: entry.time)


class HookFollower(Follower):
    """Follows the output of hooks, across deploys: of those that run, as they print it.

    A hook that runs on the machine of who deploys has no container, and one may have ended before its container was
    seen: their last lines are in the record once the release is live or has failed. A line of a container comes again
    in the record, where it is passed over.
    """

    def __init__(self, query: LogQuery, show: Show, warn: Warn) -> None:
        super().__init__(query, show, warn)
        self._lines: dict[str, deque[tuple[str, str]]] = {}
        self._names: dict[str, str] = {}
        self._there: frozenset[str] = frozenset()
        self._read_at = 0.0

    async def follow(self, session: Session) -> None:
        """Follow until cancelled; after a lost connection continue where it was.

        Raises:
            EngineUnavailable: The connection was lost.
        """
        engine = session.engine
        if not self.began:
            self._query = self._query.at((await engine.info()).moment)
            recorded = _entries(await read_records(engine, self._query.project), self._query)
            past = self._query.last([entry for entry in recorded if self._query.accepts(entry)])
            for entry in recorded:
                self._remember(entry.name, entry.stream, entry.time)
            self._tell(past)
            self.began = True
        self._reading.clear()
        async with task_group() as group:
            while True:
                containers = await engine.containers(labels={labels.PROJECT: self._query.project})
                await self._recorded(engine, frozenset(container.id for container in containers))
                for container in containers:
                    if self._is_hook(container):
                        self._names[container.id] = self._name(container)
                        self._query.announce([self._name(container)])
                        self._positions.setdefault(container.id, LogPosition(self._query.first or ""))
                        self._join(group, engine, container)
                await asyncio.sleep(POLL_SECONDS)

    def _is_hook(self, container: Container) -> bool:
        return (
            container.role == labels.ROLE_HOOK
            and container.labels.get(labels.SERVICE) in self._query.names
            and self._query.release in (None, container.labels.get(labels.RELEASE))
        )

    def _name(self, container: Container) -> str:
        return container.name.removeprefix(f"{self._query.project}-")

    async def _recorded(self, engine: Engine, there: frozenset[str]) -> None:
        """Show new lines of the records; of a hook whose container is being read, once that has ended."""
        now = asyncio.get_running_loop().time()
        if there == self._there and now - self._read_at < RECORD_SECONDS:
            return
        read = {self._names[container] for container in self._reading if container in self._names}
        shown = Counter((name, *line) for name, lines in self._lines.items() for line in lines)
        fresh = []
        for entry in _entries(await read_records(engine, self._query.project), self._query):
            key = (entry.name, entry.stream, entry.time)
            if entry.name in read:
                continue
            if shown[key]:
                shown[key] -= 1
            else:
                fresh.append(entry)
        for entry in fresh:
            self._remember(entry.name, entry.stream, entry.time)
        self._tell([entry for entry in fresh if self._query.accepts(entry)])
        self._there, self._read_at = there, now

    def _tell(self, entries: Sequence[LogEntry]) -> None:
        self._query.announce(entry.name for entry in entries)
        for entry in entries:
            self._show(entry)

    def _remember(self, name: str, stream: str, time: str) -> None:
        self._lines.setdefault(name, deque(maxlen=_REMEMBERED)).append((stream, time))

    def _show_line(self, container: Container, line: LogLine) -> None:
        self._remember(self._name(container), line.stream, line.time)
        super()._show_line(container, line)
