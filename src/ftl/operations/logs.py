"""The logs of a project's containers as one stream, in the order of time. Read-only."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.engine import labels
from ftl.errors import EngineError, FtlError

if TYPE_CHECKING:
    from ftl.engine import Container, Engine, LogLine

LOOK = 1.0
"""Seconds between two looks for new containers while following."""

GONE = (404, 409)
"""What an engine answers for a container that was removed, or is being removed, while we read it."""

_ROLES = (labels.ROLE_SERVICE, labels.ROLE_DEPENDENCY)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a container's log.

    Attributes:
        name: The container without its project: "web-r5", "web-r5-2", "postgres". Tells replicas apart.
        time: RFC 3339 with nanoseconds, UTC, by the server's clock.
    """

    service: str
    name: str
    container: str
    stream: Literal["stdout", "stderr"]
    time: str
    text: str


Show = Callable[[Entry], None]


async def read_logs(
    engine: Engine,
    project: str,
    names: Sequence[str],
    show: Show,
    *,
    tail: int | None = None,
    since: str | None = None,
) -> None:
    """Show what the containers have logged until now, merged by time.

    Args:
        engine: The server's engine.
        project: Whose containers.
        names: Their services and dependencies.
        show: Called with each line, in order.
        tail: Only the last so many lines of the merged log; None: all, held in memory one line a container.
        since: Only lines from then on (RFC 3339).

    Raises:
        FtlError: None of them has a container.
    """
    sources = await _existing(engine, project, names)
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
    """The same, and then go on with what they log from now on, until cancelled.

    A container that ends does not end the stream; containers that appear (a deploy starts them) join it, from
    their first line. The past is merged by time; what is new is shown as it comes.
    """
    followed = _Followed(engine, project, show)
    hidden = tail == 0
    earliest = ""

    def past(entry: Entry) -> None:
        nonlocal earliest
        earliest = earliest or entry.time
        followed.positions.setdefault(entry.container, _Position()).advance(entry.time)
        if not hidden:
            show(entry)

    there = await _existing(engine, project, names)
    await read_logs(engine, project, names, past, tail=1 if hidden else tail, since=since)
    for old in there:  # what it has is older than all that was shown, so only later lines are new
        followed.positions.setdefault(old.id, _Position(earliest or since or ""))
    async with asyncio.TaskGroup() as group:
        while True:
            for container in await _containers(engine, project, names):
                followed.join(group, container)
            await asyncio.sleep(LOOK)


@dataclass(slots=True)
class _Position:
    """How far a container's log was shown: the time of the last line, and how many lines had that very time.

    The engine's `since` includes the moment that it names, so those lines come again.
    """

    time: str = ""
    lines: int = 0

    def advance(self, time: str) -> None:
        """A line was shown."""
        self.lines = self.lines + 1 if time == self.time else 1
        self.time = time


class _Followed:
    """The containers whose logs are being followed, each by a task of its own."""

    def __init__(self, engine: Engine, project: str, show: Show) -> None:
        self.positions: dict[str, _Position] = {}
        self._engine = engine
        self._project = project
        self._show = show
        self._reading: set[str] = set()

    def join(self, group: asyncio.TaskGroup, container: Container) -> None:
        """Follow a container unless that is done already, or it ended and all of it was shown."""
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
            if error.status not in GONE:
                raise
        finally:
            self._reading.discard(container.id)


async def _existing(engine: Engine, project: str, names: Sequence[str]) -> list[Container]:
    found = await _containers(engine, project, names)
    if not found:
        what = ", ".join(names)
        raise FtlError(f"nothing of {what} runs on {engine.name}", hint="`ftl deploy` starts it")
    return found


async def _containers(engine: Engine, project: str, names: Sequence[str]) -> list[Container]:
    """The containers of these services and dependencies, of every release that is still there, by name."""
    found = await engine.containers(labels={labels.PROJECT: project})
    ours = (one for one in found if one.labels.get(labels.ROLE) in _ROLES)
    return sorted((one for one in ours if one.labels.get(labels.SERVICE) in names), key=lambda one: one.name)


async def _merged(
    engine: Engine, project: str, containers: Sequence[Container], tail: int | None, since: str | None
) -> AsyncGenerator[Entry]:
    """The logs as they stand, merged by time with one line of each in memory."""
    sources = [_entries(engine, project, container, tail, since) for container in containers]
    heads: list[tuple[str, int, Entry]] = []
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
) -> AsyncGenerator[Entry]:
    lines = engine.logs(container.id, tail=tail, since=since)
    async with aclosing(lines):
        try:
            async for line in lines:
                yield _entry(project, container, line)
        except EngineError as error:
            if error.status not in GONE:
                raise


def _entry(project: str, container: Container, line: LogLine) -> Entry:
    return Entry(
        service=container.labels[labels.SERVICE],
        name=container.name.removeprefix(f"{project}-"),
        container=container.id,
        stream=line.stream,
        time=line.time,
        text=line.text,
    )
