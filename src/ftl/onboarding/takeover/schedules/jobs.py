"""A command with a schedule, as one of the jobs of a draft."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.config.values.schedule import Schedule
from ftl.onboarding.app import exec_form
from ftl.onboarding.names import project_name, service_name
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from ftl.onboarding.takeover.draft import Draft

NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Schedules of crontab(5) with names."""

_STARTERS = """
    artisan bash bin bundle composer env exec flock manage.py nice node npm npx php pnpm poetry python python3 rails
    rake ruby run runner sh sudo timeout uv yarn
"""
_STARTS_OTHERS = frozenset(_STARTERS.split())
"""Programs, and commands of theirs, that say nothing about the work."""

_OF_ANOTHER = re.compile(r"[=$`]|^[\d.]*[smhd]?$|^\W*$")
"""A variable, a duration or a sign before the work."""

_ENDINGS = re.compile(r"\.(?:rb|py|sh|js|mjs|ts|php|pl)$")
_LONGEST_NAME = 32


def five_fields(written: str) -> str:
    """The schedule as a job has it: names of crontab(5) as fields.

    Raises:
        InvalidSchedule: It is none of crontab(5).
    """
    fields = " ".join(NICKNAMES.get(written.lower(), written).split())
    Schedule.parse(fields)
    return fields


def add_job(
    draft: Draft, service: str, schedule: str, line: str, *, shell: str = "sh", timezone: str = ""
) -> str:
    """Add a job for a command line.

    Args:
        draft: The draft that gets it.
        service: The service in whose container it runs.
        schedule: Five fields, or a name of crontab(5).
        line: The command, for a shell.
        shell: The shell that the command needs.
        timezone: The time zone of the schedule; empty: UTC.

    Returns:
        The name of the job.

    Raises:
        InvalidSchedule: The schedule is none of crontab(5).
    """
    job: dict[str, object] = {"service": service, "command": _command(line, shell)}
    job["schedule"] = five_fields(schedule)
    if timezone:
        job["timezone"] = timezone
    name = _name(line)
    names = (name, *(f"{name}-{number}" for number in range(2, len(draft.jobs) + 3)))
    free = next(each for each in names if each not in draft.jobs)
    draft.jobs[free] = job
    return free


def _command(line: str, shell: str) -> str | tuple[str, ...]:
    words = exec_form(line)
    if words[:2] != ("sh", "-c"):
        return literal(line)
    return (shell, *map(literal, words[1:]))


def _name(line: str) -> str:
    """A name by the first word of the command that says what it does."""
    last = re.split(r"[|<>;\n]", line.rpartition("&&")[2])[0]
    programs = [word.strip("\"'()").partition("[")[0] for word in last.split() if word[0] != "-"]
    bare = [_ENDINGS.sub("", posixpath.basename(program)) for program in programs]
    telling = (word for word in bare if word not in _STARTS_OTHERS and not _OF_ANOTHER.search(word))
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", next(telling, "job"))
    return service_name(project_name(words)[:_LONGEST_NAME])
