"""Processes that start work by the clock: two side by side, as in a deploy, do it twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES = frozenset({"beat", "celerybeat", "clock", "cron", "crond", "scheduler", "schedule"})
"""Names of processes that are nothing else; also at the end of a name: celery-beat."""

_NO_QUEUE = r"(?<!-[qQ])(?<!--queue)(?<!--queues)"
_COMMANDS = re.compile(
    rf"\bcelery\b.*{_NO_QUEUE}\s(?:beat|-B|--beat)(?:\s|$)|\bschedule:(?:work|run)\b|\bclockwork\b"
    rf"|{_NO_QUEUE}(?:^|[\s/])(?:start-)?(?:celery-?)?beat(?:\.sh|/start(?:\.sh)?)?(?:\s|$)"
    rf"|\brq-?scheduler\b|\bsupercronic\b|{_NO_QUEUE}(?:^|[\s/;&])crond?(?:\s|$)"
)
"""Celery, Laravel, Clockwork, RQ Scheduler, and programs of cron; a worker's queue may have such a name."""


def is_periodic(name: str, command: str | Sequence[str]) -> bool:
    """Whether a process of this name or command starts work by the clock."""
    line = command if isinstance(command, str) else " ".join(command)
    last = re.split(r"[^a-z]+", name.lower())[-1]
    return last in _NAMES or _COMMANDS.search(line) is not None
