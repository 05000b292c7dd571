"""Requests of a project, from the proxy's access log: as lines, and as they come."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.common.figures import size, utc_time
from ftl.common.json_fields import as_object, as_str, parse_json
from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import EngineError, FtlError
from ftl.operations.views.logs.masking import mask_secrets
from ftl.operations.views.logs.query import LogEntry
from ftl.proxy.names import ACCESS_LOG, LIVE_FOLDER, ProxyNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from ftl.host.session import Session
    from ftl.operations.views.logs.following import Mask
    from ftl.operations.views.logs.query import LogQuery
    from ftl.operations.views.logs.reading import Show, Warn

PAST = 20_000
"""Entries of the project that are read for the past."""

POLLED = 20_000
"""Entries of all projects that are read at each look while following.

If there are more, the next look is at once.
"""

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Access:
    """One answered request.

    Attributes:
        time: Unix time at its end, in seconds, by the server's clock.
        client: Address that it came from: a visitor, a load balancer, or a container of the project.
        path: Without the query, which is not logged.
        status: 0 if the client went away before the answer.
        seconds: Its whole duration. A WebSocket or an event stream lasts until it is closed.
    """

    time: float
    service: str
    client: str
    method: str
    host: str
    path: str
    status: int
    seconds: float
    size: int


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the access log, as access_log.sh writes it.

    Attributes:
        file: Checksum of the first line of the file; `start`: the log was empty.
        lines: Lines of the file before it.
    """

    file: str
    lines: str


@dataclass(frozen=True, slots=True)
class _Look:
    """The result of one look at the access log.

    Attributes:
        entries: Requests to the project's services, by time.
        has_more: There is more behind it already.
        has_lost: The log has nothing of the position any more from which on it was read.
    """

    entries: list[Access]
    position: Position
    has_more: bool
    has_lost: bool


async def read_access(session: Session, query: LogQuery, show: Show) -> Position:
    """Show the requests that the proxy's log still has, of the query's services; its end.

    Raises:
        FtlError: There is no proxy.
    """
    query = query.at(session.info.moment)
    look, _ = await gather2(
        _look(session, query, PAST),
        mask_secrets(session.engine, query.project),
    )
    lines = [line_of(entry) for entry in look.entries]
    wanted = [line for line in lines if query.spans(line.time) and query.accepts(line)]
    for line in query.last(wanted):
        show(line)
    return look.position


class AccessFollower:
    """Follows the requests; after a lost connection `follow` is called again.

    Each look reads on from the position in the log where the one before has ended, also across rotations. A path may
    have a secret of a release in it. `mask` redacts those of releases that come; without it the server has their
    records itself.
    """

    def __init__(self, query: LogQuery, show: Show, warn: Warn, *, mask: Mask | None = None) -> None:
        self.began = False
        self._query = query
        self._show = show
        self._warn = warn
        self._mask = mask
        self._live: Set[tuple[str, bytes]] = frozenset()
        """The live files whose releases' secrets are redacted."""
        self._position: Position | None = None

    async def follow(self, session: Session) -> None:
        """Follow until cancelled.

        Raises:
            FtlError: There is no proxy, or the connection was lost.
        """
        if not self.began:
            self._live = await _live(session, self._query.project)
            self._position = await read_access(session, self._query, self._show)
            self.began = True
        has_more = False
        while True:
            if not has_more:
                await asyncio.sleep(POLL_SECONDS)
            look = await _look(session, self._query, POLLED, self._position)
            if look.entries:
                await self._mask_releases(session)
            # From here on nothing is awaited: what is shown is not read again.
            self._position, has_more = look.position, look.has_more
            if look.has_lost:
                self._warn(
                    "the proxy's log was rotated twice since the last look: some requests are not shown"
                )
            for line in map(line_of, look.entries):
                if self._query.accepts(line):
                    self._show(line)

    async def _mask_releases(self, session: Session) -> None:
        """Redact the secrets of a release that was switched to since the last look, before its requests are shown."""
        live = await _live(session, self._query.project)
        if live <= self._live:
            return
        if self._mask is None:
            await mask_secrets(session.engine, self._query.project)
        else:
            await self._mask()
        self._live |= live


async def _live(session: Session, project: str) -> frozenset[tuple[str, bytes]]:
    """The project's live files in the proxy: the releases that get requests."""
    files = await session.engine.get_archive(ProxyNames().container, LIVE_FOLDER) or {}
    own = (item for item in files.items() if PurePosixPath(item[0]).name.startswith(f"{project}."))
    return frozenset(own)


async def _look(session: Session, query: LogQuery, lines: int, since: Position | None = None) -> _Look:
    """The last entries about the project's services, or those from a position on.

    Raises:
        FtlError: There is no proxy, or it ended meanwhile.
    """
    script = program(__package__, "access_log.sh")
    argv = ["sh", "-c", script, "ftl", ACCESS_LOG, query.project, str(lines)]
    if since is not None:
        argv += [since.file, since.lines]
    try:
        done = await session.engine.execute(ProxyNames().container, argv)
    except EngineError as error:
        if error.status not in (404, 409):
            raise
        raise FtlError(
            f"no proxy runs on {session.name}",
            hint=f"{ftl('deploy')} starts it, {ftl('status')} shows what runs",
        ) from error
    # Not `splitlines`: a path may have what that takes for the end of a line.
    *text, last = done.text.removesuffix("\n").split("\n")
    words = last.split()
    if done.exit_code != 0 or len(words) != 4:  # the last line comes after all others
        cause = done.error_text
        raise FtlError(
            f"the requests of {session.name} cannot be read", cause=cause or "the proxy ended meanwhile"
        )
    file, number, rest, state = words
    own = (each for each in parse(text) if each.service in query.names)
    entries = sorted(own, key=lambda entry: entry.time)
    return _Look(entries, Position(file, number), has_more=rest == "more", has_lost=state == "lost")


def parse(lines: Iterable[str]) -> list[Access]:
    """Entries of the log; a line that is none (cut by a rotation) is passed over."""
    return [entry for line in lines if (entry := _parse(line)) is not None]


def _parse(line: str) -> Access | None:
    try:
        fields = as_object(parse_json(line))
        request = as_object(fields.get("request"))
        return Access(
            time=_number(fields["ts"]),
            service=as_str(fields.get("ftl")).partition("/")[2],
            client=as_str(request.get("remote_ip")),
            method=as_str(request.get("method")),
            host=as_str(request.get("host")),
            path=as_str(request.get("uri")),
            status=int(_number(fields["status"])),
            seconds=_number(fields["duration"]),
            size=int(_number(fields["size"])),
        )
    except (ValueError, KeyError, OverflowError):
        return None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"not a number: {value!r}")
    return float(value)


def announce_requests(query: LogQuery) -> None:
    """Tell the query's `found` the names of its requests."""
    query.announce(map(_name, query.names))


def _name(service: str) -> str:
    return f"proxy {service}"


def line_of(entry: Access) -> LogEntry:
    """A request as a line: client, method, address, status, duration and size."""
    time = utc_time(entry.time).isoformat(timespec="microseconds")
    seconds = f"{entry.seconds * 1000:.0f} ms" if entry.seconds < 1 else f"{entry.seconds:.1f} s"
    status = str(entry.status) if entry.status else "client left"
    return LogEntry(
        service=entry.service,
        name=_name(entry.service),
        container="",
        release=None,
        stream="stdout",
        time=time.replace("+00:00", "000Z"),
        text=f"{entry.client} {entry.method} {entry.host}{entry.path} {status} {seconds} {size(entry.size)}",
    )
