"""Time that other tools give a container to become healthy, as keys of `health_check`."""

from __future__ import annotations

import math

from ftl.config.values.scalars import duration, interval
from ftl.onboarding.takeover.nodes import is_valid

_USUAL = 30
"""Seconds that FTL waits where nothing is written: as many checks, one each second."""

_MOST = 10_000


def seconds(written: str) -> float | None:
    """A duration in seconds; None where it is none, or is empty or nought."""
    return duration(written) if is_valid(interval, written) else None


def waiting(patience: float, pause: float = 1) -> dict[str, object]:
    """`retries` by which FTL waits as long, with a pause in seconds between two checks.

    Empty where it does so anyway.
    """
    retries = math.ceil(patience / pause)
    return {"retries": min(retries, _MOST)} if retries > _USUAL else {}
