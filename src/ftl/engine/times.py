"""The engine's timestamps: RFC 3339 with nanoseconds when it writes, seconds since 1970 when it reads."""

from __future__ import annotations

import re
from datetime import datetime

from ftl.errors import UsageError

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)")


def unix_time(stamp: str) -> str:
    """Write "2026-01-02T03:04:05.000000006Z" as "1767323045.000000006", no nanosecond lost.

    Raises:
        UsageError: It is not a timestamp.
    """
    found = _RFC3339.fullmatch(stamp)
    if found is None:
        raise UsageError(f"`{stamp}` is not a time", hint="write it like 2026-01-02T03:04:05Z")
    whole, fraction, zone = found.groups()
    seconds = int(datetime.fromisoformat(whole + zone).timestamp())
    return f"{seconds}.{(fraction or '').ljust(9, '0')}"
