"""Tracks about jobs: their new containers, the crontab, the old ones. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.names import is_live_job, job_name, parked_job, stopped_job
from ftl.deploy.plan.changes import ServiceChange
from ftl.deploy.plan.jobs import JobChange, JobsDiff, Owner, by_server, live_spec
from ftl.deploy.plan.records.recorded import first_servers
from ftl.deploy.plan.steps.base import ContainerRef, refs
from ftl.deploy.plan.steps.containers import StopContainers
from ftl.deploy.plan.steps.jobs import (
    CheckCron,
    CreateJob,
    JobSwitch,
    RemoveJobs,
    SetJobless,
    SwitchJobs,
    WriteCrontab,
)
from ftl.engine import labels
from ftl.errors import UsageError
from ftl.host.crontab import CronLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Track
    from ftl.deploy.plan.steps.base import Step
    from ftl.engine.values import Container


STOP_SECONDS = 10.0
"""Time that a run gets to end after its stop signal."""


def prepare_tracks(diff: JobsDiff) -> Iterator[Track]:
    """Refuse a server without cron, and remove containers of interrupted deploys."""
    if diff.changes and diff.changed:
        yield (CheckCron(tuple(sorted({change.job.timezone for change in diff.changes}))),)
    fresh = [container for container in diff.old if ".new-" in container.name]
    if fresh:
        yield (RemoveJobs(refs(fresh)),)


def new_job_name(diff: JobsDiff, change: JobChange, release: str) -> str:
    """Name of a job's new container until the release is live."""
    return f"{job_name(diff.project, change.name)}.new-{release}"


def create_tracks(diff: JobsDiff, release: str, image: Mapping[str, str]) -> Iterator[Track]:
    """Create the containers of new and changed jobs."""
    for change in diff.changes:
        if change.creates:
            name = change.owner.name
            joins = name not in image
            yield (
                CreateJob(
                    name,
                    change.name,
                    new_job_name(diff, change, release),
                    live_spec(change, release),
                    _live_image(change.owner) if joins else image[name],
                    change.why,
                    joins,
                    change.creates_folder,
                ),
            )


def _live_image(owner: Owner) -> str:
    if isinstance(owner, ServiceChange):
        return owner.current[0].image
    return owner.current.image if owner.current is not None else owner.dependency.image


def before_switch(diff: JobsDiff) -> Track:
    """Let the crontab wake the script for the old containers and for the new ones.

    A line is only an occasion: which container has the job's name, and so which schedule counts, is decided by the
    renaming after the switch. Wherever a deploy is cut, each job that is there is started at its own times.
    """
    lines = set(lines_before(diff))
    every = lines | {_fresh_line(diff, change) for change in diff.changes if change.creates}
    if every == lines:
        return ()
    return (WriteCrontab(diff.project, tuple(sorted(every, key=_order)), lines_before(diff)),)


def lines_before(diff: JobsDiff) -> tuple[CronLine, ...]:
    """Lines of the crontab for the live containers."""
    return tuple(sorted({CronLine.of(container) for container in diff.live}, key=_order))


def lines_after(diff: JobsDiff) -> tuple[CronLine, ...]:
    """Lines of the crontab once the release is live."""
    changed = {change.name for change in diff.changes}
    gone = {container.id for container in diff.removed}
    stay = {
        CronLine.of(container)
        for container in diff.live
        if container.id not in gone and container.labels[labels.JOB] not in changed
    }
    return tuple(sorted(stay | {_fresh_line(diff, change) for change in diff.changes}, key=_order))


def after_switch(diff: JobsDiff, release: str) -> Track:
    """Switch the containers; then write the crontab without the lines of the old ones."""
    lines = lines_after(diff)
    if not lines and not diff.removed:
        return ()
    switches = [
        _switch(diff, change.name, change.current, new_job_name(diff, change, release))
        for change in diff.changes
        if change.creates
    ]
    switches += [_switch(diff, container.labels[labels.JOB], container, "") for container in diff.removed]
    names = tuple(container.labels[labels.JOB] for container in diff.removed)
    write = WriteCrontab(diff.project, lines, removed=names)
    return (*((SwitchJobs(tuple(switches)),) if switches else ()), write)


def refuse_jobless(diff: JobsDiff, observed: Observed, first: str) -> None:
    """Refuse a change of some jobs on a server that has lost them while it did not answer.

    Raises:
        UsageError: It is one: what its crontab has still would be started beside the same on another server.
    """
    if diff.changes and first in observed.jobless:
        raise UsageError(
            f"{first} has lost its jobs to another server while it did not answer",
            hint=f"{ftl('deploy')} of all services gives them back",
        )


def regain_track(observed: Observed, first: str) -> Track:
    """Let the first server start jobs, if another one had them while it did not answer."""
    return (SetJobless(first, value=False),) if first in observed.jobless else ()


def lose_track(observed: Observed, first: str) -> Track:
    """Keep servers that had the jobs, and do not answer, from starting them later."""
    former = first_servers(observed) - observed.jobless - {first}
    return tuple(SetJobless(server, value=True) for server in observed.unseen if server in former)


def leave_track(diff: JobsDiff) -> Track:
    """Take jobs from the servers that are not the first one any more; their containers, too.

    One that runs stays, and goes with a later deploy; cron does not start it again.
    """
    steps: list[Step] = []
    for there in diff.elsewhere:
        if there.leaving:
            at = (there.server,)
            lines = sorted((CronLine.of(container) for container in there.staying), key=_order)
            names = tuple(sorted({container.labels[labels.JOB] for container in there.leaving}))
            steps.append(WriteCrontab(diff.project, tuple(lines), removed=names, servers=at))
            steps.append(RemoveJobs(refs(there.leaving), servers=at))
    return tuple(steps)


def stop_track(observed: Observed, services: Sequence[str]) -> Track:
    """Take the jobs of services from cron, and stop their runs; the containers stay."""
    return tuple(
        step
        for server, containers in by_server(observed, observed.of_role(labels.ROLE_JOB)).items()
        for step in _stop(observed, containers, services, (server,) if server else ())
    )


def _stop(
    observed: Observed, on_server: Sequence[Container], services: Sequence[str], at: tuple[str, ...]
) -> Track:
    own = [container for container in on_server if container.labels[labels.SERVICE] in services]
    live = [container for container in own if is_live_job(container)]
    steps: list[Step] = []
    if live:
        switches = (
            JobSwitch(container.name, "", ContainerRef(container.id, container.name), stopped_job(container))
            for container in live
        )
        stay = [
            CronLine.of(container)
            for container in on_server
            if is_live_job(container) and container not in live
        ]
        names = tuple(sorted(container.labels[labels.JOB] for container in live))
        steps.append(SwitchJobs(tuple(switches), servers=at))
        lines = tuple(sorted(stay, key=_order))
        steps.append(WriteCrontab(observed.project, lines, removed=names, servers=at))
    if running := [container for container in own if container.state in ("running", "paused")]:
        steps.append(StopContainers(running[0].labels[labels.SERVICE], refs(running), STOP_SECONDS))
    return tuple(steps)


def clean_track(diff: JobsDiff, *, running: bool) -> Track:
    """Remove old containers. The last one that ran stays, for its log and its exit code.

    `running` ones may have ended by then. If not, the engine refuses, and they stay.
    """
    removed = {container.labels[labels.JOB] for container in diff.removed}
    removed |= {container.labels[labels.JOB] for container in diff.old} - {
        change.name for change in diff.changes
    }
    replaced = [change.current for change in diff.changes if change.creates and change.current is not None]
    going = sorted(
        [*diff.old, *replaced, *diff.removed],
        key=lambda container: (container in replaced, container.created),
        reverse=True,
    )
    kept: set[str] = set()
    remove = []
    for container in going:
        name = container.labels[labels.JOB]
        ran = container.state != "created" and ".new-" not in container.name
        if ran and name not in kept | removed:
            kept.add(name)
        elif ".new-" not in container.name and (running or container.state != "running"):
            remove.append(container)
    return (RemoveJobs(refs(remove)),) if remove else ()


def _switch(diff: JobsDiff, job: str, old: Container | None, fresh: str) -> JobSwitch:
    return JobSwitch(
        job_name(diff.project, job),
        fresh,
        ContainerRef(old.id, old.name) if old is not None else None,
        parked_job(old) if old is not None else "",
    )


def _fresh_line(diff: JobsDiff, change: JobChange) -> CronLine:
    return CronLine(job_name(diff.project, change.name), change.job.schedule, change.job.timezone)


def _order(line: CronLine) -> tuple[str, str, str]:
    return line.container, line.schedule, line.timezone
