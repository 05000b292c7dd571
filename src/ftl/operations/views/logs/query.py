"""Query for lines of logs, and a line."""

from __future__ import annotations

from dataclasses import field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from ftl.dataclass import dataclass
from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from ftl.config.models.project import Project
    from ftl.engine.values import Container

_ROLES = (labels.ROLE_SERVICE, labels.ROLE_DEPENDENCY)


class LogEntry(NamedTuple):
    """A line of a container's log. A tuple, for the reason that `LogLine` is one.

    Attributes:
        name: The container without its project: "web-r5", "web-r5-2", "postgres". Tells replicas apart.
        release: The release of a service's container; None for a dependency.
        time: RFC 3339 with nanoseconds, UTC, by the server's clock; of several servers, by that of the first one.
        server: The server; empty for a project's only one.
    """

    service: str
    name: str
    container: str
    release: str | None
    stream: Literal["stdout", "stderr"]
    time: str
    text: str
    server: str = ""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """The lines to read.

    Attributes:
        names: Its services, dependencies and containers of `ftl run`; or its jobs.
        tail: Only this number of lines, the last of the merged log that match; None: all, with one line of each
            container in memory at a time.
        since: Only lines from then on: RFC 3339, by the server's clock; or so long before now, until `at` says when
            that is.
        until: Only lines up to then, in the same form.
        matches: Only lines whose text it accepts; None: all.
        release: Only containers of this release; None: of all.
        found: Called with names of `LogEntry`s that may come, before they do.
    """

    project: str
    names: tuple[str, ...]
    tail: int | None = None
    since: str | timedelta | None = None
    until: str | timedelta | None = None
    matches: Callable[[str], object] | None = None
    release: str | None = None
    jobs: bool = False
    found: Callable[[Iterable[str]], None] | None = field(default=None, compare=False)

    def announce(self, names: Iterable[str]) -> None:
        """Tell `found` names of lines that may come."""
        if self.found is not None:
            self.found(names)

    def selects(self, container: Container) -> bool:
        """Whether a container's log is asked for."""
        label_map = container.labels
        if container.role == labels.ROLE_RUN:
            return container.name.removeprefix(f"{self.project}-") in self.names and not self.jobs
        roles, name = ((labels.ROLE_JOB,), labels.JOB) if self.jobs else (_ROLES, labels.SERVICE)
        return (
            container.role in roles
            and label_map.get(name) in self.names
            and self.release in (None, label_map.get(labels.RELEASE))
        )

    def at(self, now: datetime) -> LogQuery:
        """The query with its times fixed, at a time by the server's clock; ours may be a year off."""
        return replace(self, since=_fixed(self.since, now), until=_fixed(self.until, now))

    @property
    def first(self) -> str | None:
        """The time from which on lines are asked for, once it is fixed (`at`)."""
        return _is_fixed(self.since)

    @property
    def end(self) -> str | None:
        """The time up to which lines are asked for, once it is fixed."""
        return _is_fixed(self.until)

    def spans(self, time: str) -> bool:
        """Whether the time of a line is asked for."""
        first, end = self.first, self.end
        return (first is None or _order(first) <= _order(time)) and (
            end is None or _order(time) <= _order(end)
        )

    def last(self, entries: Sequence[LogEntry]) -> Sequence[LogEntry]:
        """The last entries, as many as are asked for."""
        return entries if self.tail is None else entries[max(0, len(entries) - self.tail) :]

    def accepts(self, entry: LogEntry) -> bool:
        """Whether a line's text is asked for."""
        return self.matches is None or bool(self.matches(entry.text))


def names_of(project: Project, *, jobs: bool) -> tuple[str, ...]:
    """The services and dependencies of a project, or its jobs."""
    if jobs:
        return (*(job.name for job in project.jobs), *(backup.job for backup in project.backups))
    services = (service.name for service in project.services)
    return (*services, *(dependency.name for dependency in project.dependencies))


def _order(time: str) -> tuple[str, str]:
    """Sort key of a time in UTC, with or without a fraction of a second."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return whole, fraction.ljust(9, "0")


def _fixed(time: str | timedelta | None, now: datetime) -> str | None:
    """A time in UTC as RFC 3339."""
    if isinstance(time, timedelta):
        return (now - time).isoformat().replace("+00:00", "Z")
    return time


def _is_fixed(time: str | timedelta | None) -> str | None:
    if isinstance(time, timedelta):
        raise RuntimeError("the query's times are not fixed")
    return time
