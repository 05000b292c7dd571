"""The proxy's access log: Caddy's settings for it, entries, and request figures by service.

Caddy writes one JSON object a request into files that it rotates, so they are bounded whatever the server's log driver
is. An entry has no headers and no query, where tokens and personal data are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.json_fields import as_object, as_str, parse_json
from ftl.proxy.names import ACCESS_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, object]

LOGGER = "http.log.access"
"""Caddy's logger for requests."""

_FIELD = "ftl"
_DROPPED = (
    "bytes_read",
    "level",
    "logger",
    "msg",
    "resp_headers",
    "user_id",
    "request>client_ip",
    "request>headers",
    "request>remote_port",
    "request>tls",
)


@dataclass(frozen=True, slots=True)
class Access:
    """One answered request.

    Attributes:
        time: Unix time at its end, in seconds, by the server's clock.
        project: The project that it went to; empty where no route matched.
        service: The service that it went to.
        client: Address that it came from: a visitor, a load balancer, or a container of the project.
        path: Without the query.
        status: 0 if the client went away before the answer.
        seconds: Its whole duration. A WebSocket or an event stream lasts until it is closed.
        size: Bytes of the answer's body.
    """

    time: float
    project: str
    service: str
    client: str
    method: str
    host: str
    path: str
    status: int
    seconds: float
    size: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a service's requests in some seconds.

    Attributes:
        rate: Requests a second.
        errors: Part of them that were answered by a status of 500 or more, from 0 to 1.
        p95: Seconds that 95 of 100 requests took at most.
    """

    rate: float
    errors: float
    p95: float


def access_log() -> Json:
    """Caddy's log of requests: 20 MB in two files at most, without headers and queries."""
    fields: Json = {name: {"filter": "delete"} for name in _DROPPED}
    fields["request>uri"] = {"filter": "regexp", "regexp": r"\?.*", "value": ""}
    return {
        "include": [LOGGER],
        "writer": {
            "output": "file",
            "filename": ACCESS_LOG,
            "roll_size_mb": 10,
            "roll_keep": 1,
            "roll_gzip": False,
        },
        "encoder": {"format": "filter", "wrap": {"format": "json"}, "fields": fields},
    }


def log_service(project: str, service: str) -> Json:
    """Handler that adds the service to the request's entry."""
    return {"handler": "log_append", "key": _FIELD, "value": f"{project}/{service}"}


def parse_access(lines: Iterable[str]) -> list[Access]:
    """Entries of the log, in order; a line that is none (cut by a rotation) is passed over."""
    return [entry for line in lines if (entry := _parse(line)) is not None]


def _parse(line: str) -> Access | None:
    try:
        fields = as_object(parse_json(line))
        request = as_object(fields.get("request"))
        project, _, service = as_str(fields.get(_FIELD)).partition("/")
        return Access(
            time=_number(fields["ts"]),
            project=project,
            service=service,
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


def figures(entries: Iterable[Access], project: str, *, now: float, seconds: float) -> dict[str, Figures]:
    """Figures of the last seconds for each service of a project that had a request.

    Args:
        entries: From the log.
        project: The project.
        now: The server's time: the entries have it, too.
        seconds: Length of the period.
    """
    by_service: defaultdict[str, list[Access]] = defaultdict(list)
    for entry in entries:
        if entry.project == project and now - seconds < entry.time <= now:
            by_service[entry.service].append(entry)
    return {service: _figures(each, seconds) for service, each in sorted(by_service.items())}


def _figures(entries: list[Access], seconds: float) -> Figures:
    durations = sorted(entry.seconds for entry in entries)
    failed = sum(entry.status >= 500 for entry in entries)
    return Figures(
        rate=len(entries) / seconds,
        errors=failed / len(entries),
        p95=durations[min(len(durations) * 95 // 100, len(durations) - 1)],
    )
