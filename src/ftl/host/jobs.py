"""Jobs of a project on its server: next run, last run, and problems."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.common.figures import utc, utc_time
from ftl.common.json_fields import as_objects, as_str
from ftl.common.next_step import ftl
from ftl.common.suggestions import closest_match
from ftl.config.models.backup import JOB_PREFIX, SMALLER_STATUS
from ftl.config.values.schedule import InvalidSchedule, Schedule
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import UsageError
from ftl.host.crontab import CronLine, compare
from ftl.host.job_runs import RUNS, JobRun, has_run, moment_of, stored_runs

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from ftl.engine.api import Engine
    from ftl.engine.values import Container, ContainerState
    from ftl.ssh.machine import Machine

GRACE = timedelta(minutes=2)
"""Time that cron and the engine have to start a job."""


@dataclass(frozen=True, slots=True)
class JobState:
    """A job on its server.

    Attributes:
        container: Name of the container that cron starts.
        next: RFC 3339; empty where its labels cannot be read, or it is stopped.
        runs: The runs that have ended, newest first, at most RUNS.
        since: Start of the run that is under way; empty without one.
        problem: Why it needs attention; empty if it does not.
        stopped: Its service was stopped by `ftl stop`, and cron does not start it.
    """

    name: str
    service: str
    schedule: str
    timezone: str
    container: str
    next: str
    runs: tuple[JobRun, ...]
    since: str
    problem: str
    stopped: bool = False

    @property
    def last(self) -> JobRun | None:
        """The last run that has ended, also while another one is under way; None: there was none."""
        return self.runs[0] if self.runs else None

    @property
    def running(self) -> bool:
        """Whether a run is under way, also one of an earlier release."""
        return bool(self.since)

    def fields(self) -> dict[str, object]:
        """Its fields in `--json` output."""
        return {
            "name": self.name,
            "service": self.service,
            "schedule": self.schedule,
            "timezone": self.timezone,
            "next": self.next or None,
            "last": self.last.fields() if self.last is not None else None,
            "running": self.running,
            "running_since": self.since or None,
            "runs": [run.fields() for run in self.runs],
            "problem": self.problem or None,
        }


@dataclass(frozen=True, slots=True)
class Crontab:
    """The deploy user's crontab on a server, which starts the jobs of a project.

    Until `opened` is set, no commands can run there; None: they can.
    """

    machine: Machine
    project: str
    opened: asyncio.Event | None = None

    async def problem(self, lines: Sequence[CronLine]) -> str:
        """The reason why it does not start these jobs; empty: it does.

        One command, if there are any.
        """
        if not lines:
            return ""
        if self.opened is not None:
            await self.opened.wait()
        if await compare(self.machine, self.project, lines) != "lost":
            return ""
        return f"the crontab of {self.machine.name}'s deploy user does not start it: deploy again"


async def read_jobs(
    engine: Engine, project: str, *, now: datetime | None = None, crontab: Crontab | None = None
) -> tuple[JobState, ...]:
    """The jobs of a project, by name, at a time by the server's clock, or now: two round trips.

    With the `crontab`, jobs that it does not start have a problem.
    """
    listed = await engine.containers(labels={labels.PROJECT: project, labels.ROLE: labels.ROLE_JOB})
    return await job_states(engine, listed, now=now, crontab=crontab)


async def job_states(
    engine: Engine,
    containers: Iterable[Container],
    *,
    now: datetime | None = None,
    crontab: Crontab | None = None,
) -> tuple[JobState, ...]:
    """The jobs among containers, as in `read_jobs`: one round trip, without one none."""
    moment = now or (await engine.info()).moment
    by_job: dict[tuple[str, str], list[Container]] = {}
    for container in containers:
        if container.role == labels.ROLE_JOB:
            key = (container.project, container.labels[labels.JOB])
            by_job.setdefault(key, []).append(container)
    every = [container for group in by_job.values() for container in group]
    asking = crontab.problem(tuple(_lines(by_job))) if crontab is not None else _nothing()
    (inspected, read), unstarted = await gather2(
        gather2(
            gather(engine.container(container.id) for container in every),
            gather(stored_runs(engine, project, job) for project, job in by_job),
        ),
        asking,
    )
    states = {container.id: state for container, state in zip(every, inspected, strict=True)}
    stored = dict(zip(by_job, read, strict=True))
    jobs = (_state(key, group, states, stored[key], moment) for key, group in sorted(by_job.items()))
    return tuple(
        replace(state, problem=unstarted) if unstarted and state.next else state
        for state in jobs
        if state is not None
    )


def _lines(by_job: Mapping[tuple[str, str], Iterable[Container]]) -> Iterator[CronLine]:
    """The lines that the crontab should have: those of jobs that have a next run."""
    for (project, job), group in by_job.items():
        for container in group:
            schedule, zone, _ = _schedule(container)
            if container.name == f"{project}.job.{job}" and schedule is not None:
                yield CronLine(container.name, container.labels[labels.SCHEDULE], str(zone))


async def _nothing() -> str:
    return ""


def lost_jobs(
    project: str, recorded: Mapping[str, object], found: Iterable[JobState]
) -> tuple[JobState, ...]:
    """Jobs and scheduled backups that the server should have, and has no container of.

    `docker system prune` removes them: they are created, and rarely run. `recorded` is the resolved ftl.yaml of the
    live release, by its record; `found` are the jobs on the server.
    """
    names = {job.name for job in found}
    jobs = as_objects(recorded.get("jobs"))
    for backup in as_objects(recorded.get("backups")):
        dependency = as_str(backup.get("dependency"))
        jobs.append({**backup, "name": f"{JOB_PREFIX}{dependency}", "service": dependency})
    return tuple(
        JobState(
            name=name,
            service=as_str(job.get("service")),
            schedule=as_str(job.get("schedule")),
            timezone=as_str(job.get("timezone")) or "UTC",
            container=f"{project}.job.{name}",
            next="",
            runs=(),
            since="",
            problem="its container is gone, and nothing runs it: deploy again",
        )
        for job in jobs
        if (name := as_str(job.get("name"))) and name not in names
    )


def find_job(jobs: Sequence[JobState], name: str, server: str) -> JobState:
    """The job of a name.

    Raises:
        UsageError: There is none.
    """
    for job in jobs:
        if job.name == name:
            return job
    names = [job.name for job in jobs]
    match = closest_match(name, names)
    known = (
        f"the jobs there are {', '.join(names)}"
        if names
        else f"it has none: {ftl('deploy')} makes those that ftl.yaml has under `jobs`"
    )
    raise UsageError(
        f"there is no job `{name}` on {server}", hint=f"did you mean `{match}`?" if match else known
    )


def _state(
    key: tuple[str, str],
    containers: Sequence[Container],
    states: dict[str, ContainerState | None],
    stored: Iterable[JobRun],
    now: datetime,
) -> JobState | None:
    """The state of a job; None where only replaced containers of it are left."""
    project, name = key
    by_name = {container.name.removeprefix(f"{project}.job.{name}"): container for container in containers}
    cut = _cut(by_name)
    live = by_name.get("") or by_name.get(".stopped") or cut
    if live is None:
        return None
    stopped = live.name.endswith(".stopped")
    known = [state for container in containers if (state := states[container.id]) is not None]
    running = [state for state in known if state.running]
    ended = [state for state in known if not state.running and has_run(state)]
    by_start = {run.started: run for run in stored}
    for state in ended:
        by_start[state.started] = JobRun.of(state.started, state.finished, state.exit_code, state.oom_killed)
    runs = tuple(by_start[start] for start in sorted(by_start, reverse=True))[:RUNS]
    last = runs[0] if runs else None
    since = running[0].started if running else ""
    schedule, zone, limit = _schedule(live)
    problem, following = "", ""
    if schedule is None:
        problem = "its labels cannot be read: deploy again"
    elif cut is not None:
        problem = "the deploy that replaces it did not end: deploy again"
    else:
        missed = ""
        if not stopped:
            following = utc(next(schedule.after(now, zone)).timestamp())
            created = utc_time(live.created)
            missed = _missed(schedule.before(now - GRACE, zone), created, last)
        problem = (
            _overdue(containers, states, now) or ("" if running else missed) or _failed(last, limit, name)
        )
    return JobState(
        name=name,
        service=live.labels[labels.SERVICE],
        schedule=live.labels.get(labels.SCHEDULE, ""),
        timezone=str(zone),
        container=live.name,
        next=following,
        runs=runs,
        since=since,
        problem=problem,
        stopped=stopped,
    )


def _cut(by_name: Mapping[str, Container]) -> Container | None:
    """The new container of a job whose old one has lost the name that cron starts, without it having got it."""
    if by_name.keys() & {"", ".stopped"} or not any(name.startswith(".old-") for name in by_name):
        return None
    return next((container for name, container in by_name.items() if name.startswith(".new-")), None)


def _schedule(container: Container) -> tuple[Schedule | None, tzinfo, float]:
    words = container.labels.get(labels.WHEN, "").split()
    zone: tzinfo = UTC
    try:
        schedule = Schedule.parse(container.labels.get(labels.SCHEDULE, ""))
        if words[6] != "UTC":
            from zoneinfo import ZoneInfo

            zone = ZoneInfo(words[6])
        return schedule, zone, float(words[7])
    except (InvalidSchedule, IndexError, KeyError, OSError, ValueError):
        return None, UTC, 0.0


def _missed(due: datetime, created: datetime, last: JobRun | None) -> str:
    """The problem that a run which was due did not come; one that was still running then counts as come."""
    ended = moment_of(last.started) + timedelta(seconds=last.seconds) if last is not None else created
    if due - GRACE < created or due <= ended + GRACE:
        return ""
    return f"it did not run when it was due, at {utc(due.timestamp())}"


def _overdue(
    containers: Iterable[Container], states: Mapping[str, ContainerState | None], now: datetime
) -> str:
    """The problem that a run did not end by its timeout, as where the script that stops it was killed."""
    for container in containers:
        state, (_, _, limit) = states[container.id], _schedule(container)
        if state is None or not state.running or not limit:
            continue
        if now - moment_of(state.started) > timedelta(seconds=limit) + GRACE:
            return f"it has been running for longer than its timeout, {limit:g} s: its next run ends this one"
    return ""


def _failed(last: JobRun | None, limit: float, name: str) -> str:
    if last is None or last.exit_code == 0:
        return ""
    if last.oom_killed:
        return "its last run ran out of memory"
    if last.seconds >= limit:
        return f"its last run was stopped by its timeout, after {limit:g} s"
    if last.exit_code == SMALLER_STATUS and name.startswith(JOB_PREFIX):
        return (
            "its last backup has less than half of the bytes of the previous one, which stays: data may be missing "
            f"({ftl('backup --list')} shows them)"
        )
    return f"its last run ended with status {last.exit_code}"
