"""Times on the command line: RFC 3339, or a duration before now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime


_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PART = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_AGO = re.compile(rf"({_PART.pattern})+")


def time_option(option: str, text: str | None) -> str | None:
    """The time that an option gives; None where it was not given."""
    from datetime import UTC, datetime

    return None if text is None else parse_time(text, now=datetime.now(UTC), option=option)


def parse_time(text: str, *, now: datetime, option: str = "--since") -> str:
    """A time in UTC as RFC 3339, from that form or from a duration before `now`.

    Raises:
        UsageError: The text is neither.
    """
    from datetime import UTC, datetime, timedelta

    try:
        if _AGO.fullmatch(text):
            parts = _PART.findall(text)
            time = now - sum(
                (timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta()
            )
        else:
            time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: `{text}` is not a time", hint="write 10m, 1h30m, 2d or 2026-01-31T12:00:00Z"
        ) from None
    return time.isoformat().replace("+00:00", "Z")
