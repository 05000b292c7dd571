"""Commands with schedules as jobs; each line of a crontab(5) has a row of the report."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.config.values.scalars import timezone
from ftl.config.values.schedule import InvalidSchedule, Schedule
from ftl.dataclass import dataclass
from ftl.onboarding.app import exec_form
from ftl.onboarding.names import project_name, service_name
from ftl.onboarding.takeover.nodes import is_valid
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Add a job for a command line that runs in the container of a service.

    The schedule is five fields, or a name of crontab(5); an empty time zone is UTC.

    Returns:
        The name of the job.

    Raises:
        InvalidSchedule: The schedule is none of crontab(5).
    """
    job: dict[str, object] = {"service": service, "command": _words_of(line, shell)}
    job["schedule"] = five_fields(schedule)
    if timezone:
        job["timezone"] = timezone
    name = _name(line)
    names = (name, *(f"{name}-{number}" for number in range(2, len(draft.jobs) + 3)))
    free = next(each for each in names if each not in draft.jobs)
    draft.jobs[free] = job
    return free


def _words_of(line: str, shell: str) -> str | tuple[str, ...]:
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


_VARIABLE = re.compile(r"([\"']?)([A-Za-z_]\w*)\1\s*=\s*(.*)")
_WEEKDAY = r"(?:sun|mon|tue|wed|thu|fri|sat)"
_FURTHER_FIELD = re.compile(rf"(?:[\d*?][\d*?,/-]*|{_WEEKDAY}(?:[,-]{_WEEKDAY})*)", re.IGNORECASE)
"""A sixth or seventh field, which is no command: seconds come before the five, a year after them."""

_REBOOT = (
    "`@reboot` is not a time: write the command as `hooks: {post: ...}` of a service, which runs after each deploy, or "
    "as a service if it keeps running"
)
_NO_NAME = "is not a schedule of crontab(5): write the command as one of the `jobs`, with five fields"
_TOO_MANY = (
    "it has seconds or a year: a job has the five fields of crontab(5), and starts once a minute at most; what is due "
    "more often is a service with a loop"
)
_INPUT = (
    "in a crontab `%` ends the command, and the rest is its input: write it as one of the `jobs`, "
    "`command: [sh, -c, ...]`"
)
_NO_COMMAND = "it has no command after its schedule"


@dataclass(frozen=True, slots=True)
class CrontabEntry:
    """A line of a crontab: a command, or a variable for the commands below it.

    Attributes:
        number: From 1.
        user: The user that a crontab of the system names before the command.
        variable: The name of the variable; empty for a command.
        text: The value, or the command.
        problem: The reason why it is no job, with what to do.
    """

    number: int
    schedule: str = ""
    user: str = ""
    variable: str = ""
    text: str = ""
    problem: str = ""

    @property
    def is_job(self) -> bool:
        """Whether a job can be made of it."""
        return not self.problem and not self.variable


@dataclass(frozen=True, slots=True)
class CrontabFile:
    """A crontab in the app's folder.

    Attributes:
        name: The name of its file, in the rows.
        user: The user of the image in which it ran.
    """

    name: str
    lines: tuple[CrontabEntry, ...]
    user: str = "root"

    @property
    def jobs(self) -> int:
        """The number of lines that are jobs."""
        return sum(line.is_job for line in self.lines)


def parse_crontab(text: str, *, has_users: bool = False) -> tuple[CrontabEntry, ...]:
    """Parse a crontab; that of a system names a user before each command."""
    found = []
    for number, written in enumerate(text.splitlines(), 1):
        line = written.strip()
        if not line or line.startswith("#"):
            continue
        if match := _VARIABLE.fullmatch(line):
            found.append(CrontabEntry(number, variable=match[2], text=_unquoted(match[3])))
        else:
            found.append(_command(number, line, has_users=has_users))
    return tuple(found)


def _command(number: int, line: str, *, has_users: bool) -> CrontabEntry:
    words = line.split(None, 1 if line.startswith("@") else 5)
    schedule, rest = " ".join(words[:-1]), words[-1]
    user = ""
    if has_users:
        user, rest = (*rest.split(None, 1), "")[:2]
    if problem := _problem(line, schedule, rest):
        return CrontabEntry(number, problem=problem)
    return CrontabEntry(number, schedule, user, text=rest.strip().replace("\\%", "%"))


def _problem(line: str, schedule: str, rest: str) -> str:
    """The reason why a line is no job; empty if it is one."""
    first = line.split()[0].lower()
    if first == "@reboot":
        return _REBOOT
    if first.startswith("@") and first not in NICKNAMES:
        return f"`{first}` {_NO_NAME}"
    if not rest or not schedule or (first not in NICKNAMES and len(schedule.split()) < 5):
        return _NO_COMMAND
    if _FURTHER_FIELD.fullmatch(rest.split()[0]):
        return _TOO_MANY
    if re.search(r"(?<!\\)%", rest):
        return _INPUT
    try:
        five_fields(schedule)
    except InvalidSchedule as error:
        return f"`{schedule}` {error}: write the command as one of the `jobs`, with another schedule"
    return ""


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] in "\"'" and value[0] == value[-1] else value


def take_over_crontab(draft: Draft, crontab: CrontabFile, service: str, *, zone: str = "") -> None:
    """Add the jobs of a crontab, and a row for each of its lines.

    What is to be done is a comment of the service, too. `zone` is the time zone until a line names another.
    """
    for line, verdict, text in _rows(draft, crontab, service, zone):
        key = f"{crontab.name}:{line.number}"
        draft.report.add(key, verdict, text)
        if verdict is Verdict.NEEDS_YOU:
            draft.note(service, f"{key}: {text}")


def _rows(
    draft: Draft, crontab: CrontabFile, service: str, zone: str
) -> Iterator[tuple[CrontabEntry, Verdict, str]]:
    shell = "sh"
    user = str(draft.services[service].get("user") or crontab.user)
    for line in crontab.lines:
        if line.problem:
            yield line, Verdict.NEEDS_YOU, line.problem
        elif line.variable == "SHELL":
            shell = line.text
            yield line, Verdict.CHANGED, "the shell of the jobs below it that need one"
        elif line.variable == "CRON_TZ" and is_valid(timezone, line.text):
            zone = line.text
            yield line, Verdict.CHANGED, "timezone of the jobs below it"
        elif line.variable:
            yield line, *_variable(draft, service, line)
        else:
            name = add_job(draft, service, line.schedule, line.text, shell=shell, timezone=zone)
            if line.user in ("", user):
                yield line, Verdict.CHANGED, f"the job {name} of {service}"
            else:
                todo = f"the job {name} runs as {user}, the user of {service}: see that it need not be {line.user}"
                yield line, Verdict.NEEDS_YOU, todo


def _variable(draft: Draft, service: str, line: CrontabEntry) -> tuple[Verdict, str]:
    """The verdict on a variable for the commands below it: a job has those of its service."""
    env = draft.services[service].get("env")
    if line.variable == "PATH":
        return Verdict.LEFT_OUT, "a job has the PATH of the image"
    if line.variable == "BASH_ENV":
        return Verdict.LEFT_OUT, f"a job has the env of {service}: no file has to hand it on"
    if line.variable in ("MAILTO", "MAILFROM"):
        if not line.text:
            return Verdict.LEFT_OUT, "a job sends no mail: `ftl logs --job NAME` prints what it wrote"
        todo = "a job sends no mail: with `notify` the server sends a message about one that failed, and "
        return Verdict.NEEDS_YOU, f"{todo}`ftl logs --job NAME` prints what it wrote"
    if isinstance(env, dict) and env.get(line.variable) == literal(line.text):
        return Verdict.LEFT_OUT, f"{service} has it in its env"
    return Verdict.NEEDS_YOU, f"a job has the env of its service: write {line.variable} there"
