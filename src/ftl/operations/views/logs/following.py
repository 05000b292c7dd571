"""Following of logs: new lines as they come, across new containers and lost connections."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from ftl.aio import task_group
from ftl.common.figures import seconds_since
from ftl.engine import labels
from ftl.errors import EngineError, FtlError
from ftl.events import Note
from ftl.operations.views.logs.reading import (
    LogServer,
    containers_of,
    entry_of,
    is_ended,
    kept_runs,
    listed,
    show_merged,
    show_recorded,
    unreadable,
)
from ftl.releases.store import read_records

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.engine.api import Engine
    from ftl.engine.values import Container, LogLine
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.operations.views.logs.query import LogEntry, LogQuery
    from ftl.operations.views.logs.reading import LogSource, Show, Warn

    Mask = Callable[[], Awaitable[None]]

POLL_SECONDS = 1.0
"""Seconds between two lists of the project's containers."""

_RUNNING = ("running", "restarting")

PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds until the first, the second, ... attempt to connect again."""


class Followed(Protocol):
    """Followed over connections; each call of `follow` continues where the last one was.

    Attributes:
        began: Whether anything was shown.
    """

    began: bool

    async def follow(self, session: Session) -> None:
        """Follow until cancelled, or until there is nothing more to come."""


async def keep_connected(
    connect: Callable[[], AbstractAsyncContextManager[Session]], followed: Followed, emit: Emit
) -> None:
    """Follow until cancelled or the end, also across lost connections and reboots of the server.

    Notes say when the connection is lost and when it is back.

    Raises:
        FtlError: An error before it had begun.
    """
    attempt = 0
    while True:
        try:
            async with connect() as session:
                if attempt:
                    emit(Note(f"connected to {session.name} again"))
                attempt = 0
                await followed.follow(session)
                return
        except FtlError as error:
            if not followed.began:
                raise
            pause = PAUSES[min(attempt, len(PAUSES) - 1)]
            attempt += 1
            emit(Note(f"connection lost ({error.message}); trying again in {pause:g} s", "warning"))
            await asyncio.sleep(pause)


class Follower:
    """Follows logs: shows them as `read_logs` does, then new lines.

    A container that ends does not end the stream; containers that appear (a deploy starts them) join it, from their
    first line. Past lines are merged by time; new ones are shown as they come. After a lost connection `follow` is
    called again, and goes on where it was. `mask` redacts the secrets of releases that come; without it the server has
    their records itself.

    A server that is one of several need not have such a container yet: `anywhere` is told whether it has one, and says
    whether one of the servers has.
    """

    def __init__(
        self,
        query: LogQuery,
        show: Show,
        warn: Warn,
        *,
        anywhere: Callable[[bool], bool] | None = None,
        mask: Mask | None = None,
    ) -> None:
        self.began = False
        self._anywhere = anywhere
        self._mask = mask
        self._query = query
        self._show = show
        self._warn = warn
        self._positions: dict[str, LogPosition] = {}
        self._reading: set[str] = set()
        self._done: set[str] = set()
        self._unreadable: set[str] = set()
        self._releases: set[str] = set()

    async def follow(self, session: Session) -> None:
        """Follow until cancelled, or until no container of the release that is asked for is left.

        Raises:
            FtlError: There is no such container at first, and no line that was kept of one.
            EngineUnavailable: The connection was lost.
        """
        engine = session.engine
        if not self.began:
            self._query = self._query.at((await engine.info()).moment)
            await self._past(engine)
            self.began = True
        self._reading.clear()
        async with task_group() as group:
            while True:
                containers = await containers_of(engine, self._query)
                if self._is_over(containers):
                    return
                releases = {container.labels.get(labels.RELEASE, "") for container in containers}
                if releases - self._releases:  # a deploy may have brought other secrets
                    if self._mask is None:
                        await read_records(engine, self._query.project)
                    else:
                        await self._mask()
                    self._releases |= releases
                for container in containers:
                    self._join(group, engine, container)
                await asyncio.sleep(POLL_SECONDS)

    def _is_over(self, containers: Sequence[Container]) -> bool:
        """Whether no more lines can come: a release whose containers are gone gets no others."""
        there = bool(containers) if self._anywhere is None else self._anywhere(bool(containers))
        return self._query.release is not None and not there

    async def _past(self, engine: Engine) -> None:
        query = self._query
        hidden = query.tail == 0
        earliest = ""

        def past(entry: LogEntry) -> None:
            nonlocal earliest
            earliest = earliest or entry.time
            position = self._positions.setdefault(entry.container, LogPosition())
            position.advance((entry.stream, entry.time, entry.text))
            if not hidden and query.accepts(entry):
                self._show(entry)

        containers = await listed(engine, query)
        self._releases = {container.labels.get(labels.RELEASE, "") for container in containers}
        sources = [(LogServer(engine), container) for container in containers]
        kept = await kept_runs([LogServer(engine)], query, containers)
        if not containers and not kept:
            if self._anywhere is None:
                await show_recorded(engine, query, self._show, engine.name)
            return
        # Where lines are passed over, the position is that of the last line of all.
        seen = replace(query, tail=1) if hidden else query
        if query.matches is not None and not hidden and query.tail is not None:
            first = await self._first_matching(sources, kept)
            seen = replace(query, tail=None, since=first or query.first)
        await show_merged(sources, replace(seen, matches=None), past, self._warn, kept)
        for container in containers:
            # Where nothing was shown of a container, its lines up to now are older than all that was shown.
            self._positions.setdefault(container.id, LogPosition(earliest or query.first or ""))
            if container.state not in _RUNNING:
                self._done.add(container.id)

    async def _first_matching(
        self, sources: Sequence[LogSource], kept: Sequence[Sequence[LogEntry]]
    ) -> str | None:
        """Time of the first of the last lines that match."""
        times: list[str] = []
        await show_merged(sources, self._query, lambda entry: times.append(entry.time), self._warn, kept)
        return times[0] if times else None

    def _join(self, group: asyncio.TaskGroup, engine: Engine, container: Container) -> None:
        """Follow a container unless a task does already, or it has ended and all its lines were shown."""
        if container.state in _RUNNING:
            self._done.discard(container.id)
        if container.id not in self._reading | self._done | self._unreadable:
            self._reading.add(container.id)
            group.create_task(self._follow(engine, container))

    async def _follow(self, engine: Engine, container: Container) -> None:
        position = self._positions.setdefault(container.id, LogPosition())
        repeated = Counter(position.recent)
        times = dict(position.times)
        size = 0
        try:
            lines = engine.logs(container.id, follow=True, since=position.time or None)
            async with aclosing(lines):
                async for line in lines:
                    key = (line.stream, line.time, line.text)
                    if line.time < times.get(line.stream, ""):
                        repeated = Counter(position.recent)
                    times[line.stream] = line.time
                    if repeated[hash(key)]:
                        repeated[hash(key)] -= 1
                        continue
                    repeated.clear()
                    size += len(line.text)
                    if size > _BUSY_BYTES and _is_jump(position.time, line.time):
                        size = 0
                        await self._passed_over(engine, container, position, line)
                    position.advance(key)
                    self._show_line(container, line)
            self._done.add(container.id)  # until it is seen to run again
            if size > _BUSY_BYTES:
                await self._passed_over(engine, container, position)
        except EngineError as error:
            if not is_ended(error):
                self._unreadable.add(container.id)
                self._warn(unreadable(self._query.project, container, error))
        finally:
            self._reading.discard(container.id)

    async def _passed_over(
        self, engine: Engine, container: Container, position: LogPosition, line: LogLine | None = None
    ) -> None:
        """Show the lines before one, or up to the end, from the last that was shown on.

        Where we are slower than a log, the engine goes from the end of a file of it to the newest one. The file
        between them is lost to who follows, and still there for who asks again (20.10, at 10,000 lines a second).
        """
        shown = Counter(position.recent)
        until = line.time if line is not None else None
        lines = engine.logs(container.id, since=position.time, until=until)
        async with aclosing(lines):
            async for missed in lines:
                key = (missed.stream, missed.time, missed.text)
                if until is not None and missed.time >= until:
                    break
                if shown[hash(key)]:
                    shown[hash(key)] -= 1
                    continue
                position.advance(key)
                self._show_line(container, missed)

    def _show_line(self, container: Container, line: LogLine) -> None:
        entry = entry_of(self._query.project, container, line)
        if self._query.accepts(entry):
            self._show(entry)


_BUSY_BYTES = 1_000_000
"""Bytes after which a pause may be lines that the engine has passed over: less than a file of a log has."""


def _is_jump(before: str, time: str) -> bool:
    """Whether a line came more than a second after the one before it."""
    if before[:19] == time[:19]:
        return False
    return seconds_since(before, datetime.fromisoformat(time[:19]).replace(tzinfo=UTC)) > 1


_Key = tuple[str, str, str]
"""Stream, time and text of a line."""

_RECENT = 200_000
"""Lines of a container that are remembered, by their hashes: more than a file of its log has (10 MB)."""


@dataclass(slots=True)
class LogPosition:
    """Position up to which a container's log was shown.

    Some lines come again: those of the moment that `since` names, and a block where the engine goes over from the
    file's content to what is appended to it (134 lines at 10,000 a second, seen on 20.10; a whole file, where we are
    slow and the engine begins another one meanwhile). The second shows by times that go back, which they do not in one
    stream. So the last lines are kept to compare.

    Attributes:
        times: The same for each stream.
        recent: Hashes of the last lines.
    """

    time: str = ""
    times: dict[str, str] = field(default_factory=dict)
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def advance(self, line: _Key) -> None:
        """Count a line that was shown."""
        self.time = self.times[line[0]] = line[1]
        self.recent.append(hash(line))
