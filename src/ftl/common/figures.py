"""Human-readable numbers: sizes, durations, ages, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_UNITS = ("kB", "MB", "GB", "TB")


def size(count: int) -> str:
    """Bytes in decimal units, as Docker writes them: "812 B", "4.2 kB", "45.1 MB"."""
    value, unit = _scaled(count)
    return f"{value:.1f} {unit}" if unit != "B" else f"{count} B"


def binary(count: int) -> str:
    """Bytes in the form of memory options: "2G", "512M"; else in decimal units."""
    for unit, letter in ((2**30, "G"), (2**20, "M")):
        if count and count % unit == 0:
            return f"{count // unit}{letter}"
    return size(count)


def part(done: int, total: int) -> str:
    """Progress in the unit of the total, with a fixed width: " 9.3/45.1 MB"."""
    value, unit = _scaled(total)
    digits = 0 if unit == "B" else 1
    total_text = f"{value:.{digits}f}"
    share = done * value / total if total else 0.0
    return f"{share:{len(total_text)}.{digits}f}/{total_text} {unit}"


def _scaled(count: int) -> tuple[float, str]:
    value, unit = float(count), "B"
    for larger in _UNITS:
        if value < (1000 if unit == "B" else 999.95):
            break
        value, unit = value / 1000, larger
    return value, unit


def duration(seconds: float) -> str:
    """Seconds: "0.4 s", "34 s", "2 min 5 s", "1 h 3 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def age(seconds: float) -> str:
    """An age in its largest unit: "now", "34 s", "5 min", "3 h", "12 days"."""
    if seconds < 1:
        return "now"
    if seconds < 60:
        return f"{int(seconds)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 2 * 86400:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} days"


def ago(seconds: float) -> str:
    """A point of time by its age: "now", "3 h ago"."""
    return f"{age(seconds)} ago" if seconds >= 1 else "now"


def seconds_since(timestamp: str, now: datetime) -> float:
    """Seconds from an engine's timestamp to now, by another clock; 0 where it is ahead of ours."""
    from datetime import UTC, datetime

    start = datetime.fromisoformat(timestamp[:19]).replace(tzinfo=UTC)  # the rest is nanoseconds and "Z"
    return max(0.0, (now - start).total_seconds())


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 layer", "2 layers"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def utc_time(seconds: float) -> datetime:
    """A Unix time in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def utc(seconds: float) -> str:
    """A Unix time as RFC 3339 in UTC: "2026-01-02T03:04:05Z"."""
    return utc_time(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
