"""The proxy's access log: Caddy's settings for it, and request figures by service.

Caddy writes one JSON object a request into files that it rotates, so they are bounded whatever the server's log driver
is. An entry has no headers and no query, where tokens and personal data are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.proxy.names import ACCESS_LOG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.common.json_fields import JsonObject


LOGGER = "http.log.access"
"""Caddy's logger for requests."""

_FIELD = "ftl"
_DROPPED = (
    "bytes_read",
    "resp_headers",
    "user_id",
    "request>client_ip",
    "request>headers",
    "request>remote_port",
    "request>tls",
)

_NO_KEYS = {"level_key": "", "name_key": "", "message_key": ""}
"""They are the same for each request."""


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """Figures of a service's requests in some seconds.

    Attributes:
        rate: Requests a second.
        errors: Part of them that were answered by a status of 500 or more, from 0 to 1.
        p95: Seconds that 95 of 100 requests took at most, to an eighth.
    """

    rate: float
    errors: float
    p95: float


def access_log() -> JsonObject:
    """Caddy's log of requests: 20 MB in two files at most, without headers and queries."""
    fields: JsonObject = {name: {"filter": "delete"} for name in _DROPPED}
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
        "encoder": {"format": "filter", "wrap": {"format": "json", **_NO_KEYS}, "fields": fields},
    }


def log_service(project: str, service: str) -> JsonObject:
    """Handler that adds the service to the request's entry."""
    return {"handler": "log_append", "key": _FIELD, "value": f"{project}/{service}"}


def parse_figures(*texts: str) -> dict[str, RequestFigures]:
    """Figures by service, from the outputs of request_figures.sh at each proxy.

    Other lines are passed over. A text has a line with the length of the period in seconds, and lines of service,
    whether the answer failed, step of the duration, and number of requests.
    """
    by_service: defaultdict[str, list[_Count]] = defaultdict(list)
    for text in texts:
        first, _, rest = text.partition("\n")
        try:
            seconds = max(float(first), 1.0)
        except ValueError:
            continue
        for line in rest.splitlines():
            words = line.split()
            if len(words) == 4 and all(word.isdecimal() for word in words[1:]):
                failed, step, count = map(int, words[1:])
                by_service[words[0]].append((step, failed > 0, count, seconds))
    return {service: _figures(sorted(counts)) for service, counts in sorted(by_service.items())}


_Count = tuple[int, bool, int, float]
"""Step of the duration, whether the answer failed, number of requests, and seconds in which they came."""


def _figures(counts: Sequence[_Count]) -> RequestFigures:
    """Figures of one service, from counts in the order of their durations."""
    total = sum(count for _, _, count, _ in counts)
    by_period: Counter[float] = Counter()
    for _, _, count, seconds in counts:
        by_period[seconds] += count
    seen = list(accumulate(count for _, _, count, _ in counts))
    slow = next(one[0] for one, until in zip(counts, seen, strict=True) if until >= total * 0.95)
    return RequestFigures(
        rate=sum(count / seconds for seconds, count in by_period.items()),
        errors=sum(count for _, failed, count, _ in counts if failed) / total,
        p95=_end_of(slow),
    )


def _end_of(step: int) -> float:
    """Seconds at the end of a step of durations."""
    power, eighth = divmod(step, 8)
    return (2.0**power * (1 + (eighth + 1) / 8) - 1) / 1000
