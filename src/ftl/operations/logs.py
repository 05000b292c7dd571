"""Logs of a project's containers, merged by time into one stream. Read-only."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.aio import task_group
from ftl.engine import labels
from ftl.errors import EngineError, FtlError

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.values import Container, LogLine

POLL_SECONDS = 1.0
"""Seconds between two lists of the project's containers while following."""

# The engine's answers for a container that was removed, or is being removed, while its log is read.
_REMOVED_STATUSES = (404, 409)

_ROLES = (labels.ROLE_SERVICE, labels.ROLE_DEPENDENCY)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of a container's log.

    Attributes:
        service: The service or dependency.
        name: The container without its project: "web-r5", "web-r5-2", "postgres". Tells replicas apart.
        container: The container's ID.
        time: RFC 3339 with nanoseconds, UTC, by the server's clock.
    """

    service: str
    name: str
    container: str
    stream: Literal["stdout", "stderr"]
    time: str
    text: str


Show = Callable[[LogEntry], None]


async def read_logs(
    engine: Engine,
    project: str,
    names: Sequence[str],
    show: Show,
    *,
    tail: int | None = None,
    since: str | None = None,
) -> None:
    """Show the containers' logs up to the present, merged by time.

    Args:
        engine: The server's engine.
        project: The project's name.
        names: Its services and dependencies to read.
        show: Called with each line, in order.
        tail: Only this number of lines, the last of the merged log; None: all, with one line of each container in
            memory at a time.
        since: Only lines from then on (RFC 3339).

    Raises:
        FtlError: None of the names has a container.
    """
    sources = await _require_containers(engine, project, names)
    async with aclosing(_merged(engine, project, sources, tail, since)) as merged:
        if tail is None:
            async for entry in merged:
                show(entry)
            return
        last = deque([entry async for entry in merged], maxlen=tail)
    for entry in last:
        show(entry)


async def follow_logs(
    engine: Engine,
    project: str,
    names: Sequence[str],
    show: Show,
    *,
    tail: int | None = None,
    since: str | None = None,
) -> None:
    """Show the logs as `read_logs` does, then follow them until cancelled.

    A container that ends does not end the stream; containers that appear (a deploy starts them) join it, from
    their first line. Past lines are merged by time; new ones are shown as they come.
    """
    follower = _Follower(engine, project, show)
    hidden = tail == 0
    earliest = ""

    def past(entry: LogEntry) -> None:
        nonlocal earliest
        earliest = earliest or entry.time
        follower.positions.setdefault(entry.container, _Position()).advance(entry.time)
        if not hidden:
            show(entry)

    containers = await _require_containers(engine, project, names)
    await read_logs(engine, project, names, past, tail=1 if hidden else tail, since=since)
    for container in containers:
        # Where nothing was shown of a container, its lines up to now are older than all that was shown.
        follower.positions.setdefault(container.id, _Position(earliest or since or ""))
    async with task_group() as group:
        while True:
            for container in await _containers(engine, project, names):
                follower.join(group, container)
            await asyncio.sleep(POLL_SECONDS)


@dataclass(slots=True)
class _Position:
    """How far a container's log was shown: the time of the last line, and the number of lines with exactly that time.

    The engine's `since` includes the moment that it names, so those lines come again.
    """

    time: str = ""
    lines: int = 0

    def advance(self, time: str) -> None:
        """Count a line that was shown."""
        self.lines = self.lines + 1 if time == self.time else 1
        self.time = time


class _Follower:
    """Containers whose logs are followed, each by a separate task."""

    def __init__(self, engine: Engine, project: str, show: Show) -> None:
        self.positions: dict[str, _Position] = {}
        self._engine = engine
        self._project = project
        self._show = show
        self._reading: set[str] = set()

    def join(self, group: asyncio.TaskGroup, container: Container) -> None:
        """Follow a container unless a task does already, or it has ended and all its lines were shown."""
        new = container.id not in self.positions
        if container.id not in self._reading and (new or container.state in ("running", "restarting")):
            self._reading.add(container.id)
            group.create_task(self._follow(container))

    async def _follow(self, container: Container) -> None:
        position = self.positions.setdefault(container.id, _Position())
        since, again = position.time, position.lines
        try:
            lines = self._engine.logs(container.id, follow=True, since=since or None)
            async with aclosing(lines):
                async for line in lines:
                    if again and line.time == since:
                        again -= 1
                        continue
                    position.advance(line.time)
                    self._show(_entry(self._project, container, line))
        except EngineError as error:
            if error.status not in _REMOVED_STATUSES:
                raise
        finally:
            self._reading.discard(container.id)


async def _require_containers(engine: Engine, project: str, names: Sequence[str]) -> list[Container]:
    containers = await _containers(engine, project, names)
    if not containers:
        raise FtlError(f"nothing of {', '.join(names)} runs on {engine.name}", hint="`ftl deploy` starts it")
    return containers


async def _containers(engine: Engine, project: str, names: Sequence[str]) -> list[Container]:
    """The containers of these services and dependencies, of every release that still has some, by name."""
    containers = await engine.containers(labels={labels.PROJECT: project})
    selected = (
        container
        for container in containers
        if container.labels.get(labels.ROLE) in _ROLES and container.labels.get(labels.SERVICE) in names
    )
    return sorted(selected, key=lambda container: container.name)


async def _merged(
    engine: Engine, project: str, containers: Sequence[Container], tail: int | None, since: str | None
) -> AsyncGenerator[LogEntry]:
    """The logs up to the present, merged by time with one line of each in memory."""
    sources = [_entries(engine, project, container, tail, since) for container in containers]
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


async def _entries(
    engine: Engine, project: str, container: Container, tail: int | None, since: str | None
) -> AsyncGenerator[LogEntry]:
    lines = engine.logs(container.id, tail=tail, since=since)
    async with aclosing(lines):
        try:
            async for line in lines:
                yield _entry(project, container, line)
        except EngineError as error:
            if error.status not in _REMOVED_STATUSES:
                raise


def _entry(project: str, container: Container, line: LogLine) -> LogEntry:
    return LogEntry(
        service=container.labels[labels.SERVICE],
        name=container.name.removeprefix(f"{project}-"),
        container=container.id,
        stream=line.stream,
        time=line.time,
        text=line.text,
    )
