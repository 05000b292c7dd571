"""Processes that start work by the clock: two side by side, as in a deploy, do it twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES = frozenset({"beat", "clock", "cron", "crond", "scheduler", "schedule"})
"""Names of processes that are nothing else; also at the end of a name: celery-beat."""

_COMMANDS = re.compile(
    r"\bcelery\b.*\s(?:beat|-B|--beat)(?:\s|$)|\bschedule:(?:work|run)\b|\bclockwork\b|\brq-?scheduler\b"
    r"|\bsupercronic\b|(?:^|[\s/;&])crond?(?:\s|$)"
)
"""Celery, Laravel, Clockwork, RQ Scheduler, and programs of cron."""


def is_periodic(name: str, command: str | Sequence[str]) -> bool:
    """Whether a process of this name or command starts work by the clock."""
    line = command if isinstance(command, str) else " ".join(command)
    last = re.split(r"[^a-z]+", name.lower())[-1]
    return last in _NAMES or _COMMANDS.search(line) is not None
