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
"""Entries of the log that are read for the past."""

POLLED = 2000
"""Entries that are read at each look while following."""

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
        size: Bytes of the answer's body.
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


async def read_access(session: Session, query: LogQuery, show: Show) -> None:
    """Show the requests that the proxy's log still has; the query's names are services.

    Raises:
        FtlError: There is no proxy.
    """
    query = query.at(session.info.moment)
    entries, _ = await gather2(
        _entries(session, query, PAST),
        mask_secrets(session.engine, query.project),
    )
    lines = [line_of(entry) for entry in entries]
    lines = [line for line in lines if _is_wanted(query, line)]
    for line in query.last(lines):
        show(line)


class AccessFollower:
    """Follows the requests; after a lost connection `follow` is called again.

    A path may have a secret of a release in it. `mask` redacts those of releases that come; without it the server has
    their records itself.

    Attributes:
        began: Whether the past was shown.
    """

    def __init__(self, query: LogQuery, show: Show, warn: Warn, *, mask: Mask | None = None) -> None:
        self.began = False
        self._query = query
        self._show = show
        self._warn = warn
        self._mask = mask
        self._live: Set[tuple[str, bytes]] = frozenset()
        """The live files whose releases' secrets are redacted."""
        self._last = 0.0
        self._seen: set[Access] = set()
        """Entries at the time of the last one."""

    async def follow(self, session: Session) -> None:
        """Follow until cancelled.

        Raises:
            FtlError: There is no proxy, or the connection was lost.
        """
        if not self.began:
            self._live = await _live(session, self._query.project)
            await read_access(session, self._query, self._show)
            self._advance(await _entries(session, self._query, POLLED))
            self.began = True
        while True:
            await asyncio.sleep(POLL_SECONDS)
            entries = await _entries(session, self._query, POLLED)
            new = [each for each in entries if each.time >= self._last and each not in self._seen]
            if len(new) == POLLED:
                self._warn(f"more than {POLLED} requests between two reads: some are not shown")
            self._advance(new)
            if new:
                await self._mask_releases(session)
            for line in map(line_of, new):
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

    def _advance(self, entries: list[Access]) -> None:
        if not entries:
            return
        last = max(entry.time for entry in entries)
        kept = self._seen if last == self._last else set()
        self._seen = kept | {entry for entry in entries if entry.time == last}
        self._last = last


async def _live(session: Session, project: str) -> frozenset[tuple[str, bytes]]:
    """The project's live files in the proxy: what requests go to."""
    files = await session.engine.get_archive(ProxyNames().container, LIVE_FOLDER) or {}
    own = (item for item in files.items() if PurePosixPath(item[0]).name.startswith(f"{project}."))
    return frozenset(own)


async def _entries(session: Session, query: LogQuery, lines: int) -> list[Access]:
    """The last entries about the project's services, by time.

    Raises:
        FtlError: There is no proxy.
    """
    script = program(__package__, "access_log.sh")
    argv = ["sh", "-c", script, "ftl", ACCESS_LOG, query.project, str(lines)]
    try:
        done = await session.engine.execute(ProxyNames().container, argv)
    except EngineError as error:
        if error.status not in (404, 409):
            raise
        raise FtlError(
            f"no proxy runs on {session.name}",
            hint=f"{ftl('deploy')} starts it, {ftl('status')} shows what runs",
        ) from error
    entries = parse(done.stdout.decode(errors="replace").splitlines())
    return sorted((each for each in entries if each.service in query.names), key=lambda entry: entry.time)


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


def _is_wanted(query: LogQuery, line: LogEntry) -> bool:
    return query.spans(line.time) and query.accepts(line)


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
