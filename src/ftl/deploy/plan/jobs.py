"""Jobs: the change of each, and the steps for it. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.models.project import Job
from ftl.config.values.schedule import Schedule
from ftl.dataclass import dataclass
from ftl.deploy.names import is_live_job, is_stopped_job, job_name, parked_job, stopped_job
from ftl.deploy.plan.changes import NEW_CONFIGURATION, NEW_IMAGE, DependencyChange, ServiceChange
from ftl.deploy.plan.desired.specs import (
    command_words,
    dependency_container,
    fingerprint,
    service_container,
    task_spec,
)
from ftl.deploy.plan.steps import (
    CheckCron,
    ContainerRef,
    CreateJob,
    JobSwitch,
    RemoveJobs,
    StopContainers,
    SwitchJobs,
    WriteCrontab,
)
from ftl.engine import labels
from ftl.engine.values import ContainerSpec, Mount
from ftl.host.crontab import CronLine
from ftl.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.config import Dependency, Project
    from ftl.config.models.backup import ScheduledBackup
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Action, Track
    from ftl.deploy.plan.steps import Step
    from ftl.engine.values import Container


BACKUP_SECONDS = 6 * 3600.0
"""Time that a scheduled backup may take."""

STOP_SECONDS = 10.0
"""Time that a run gets to end after its stop signal."""

WAS_STOPPED = "it was stopped"


Owner = ServiceChange | DependencyChange


@dataclass(frozen=True, slots=True)
class JobChange:
    """Change of a job.

    Attributes:
        owner: The change of its service, or of the dependency that it backs up.
        spec: Settings of its container, without image, release and content.
        current: The container that cron starts, or would start if the service was not stopped; if there is one.
    """

    job: Job
    owner: Owner
    spec: ContainerSpec
    action: Action
    why: str
    current: Container | None

    @property
    def name(self) -> str:
        """The job's name."""
        return self.job.name

    @property
    def creates(self) -> bool:
        """Whether a new container is created."""
        return self.action != "unchanged"

    @property
    def resumes(self) -> bool:
        """Whether cron starts it again, in a new container, whose age says since when."""
        return self.action == "restarted"


@dataclass(frozen=True, slots=True)
class JobsDiff:
    """The jobs of a project, and those on its server.

    Attributes:
        changes: Jobs of the services that are deployed.
        removed: Live and stopped containers of jobs that ftl.yaml no longer names.
        live: All containers that cron starts.
        old: All others but stopped ones: replaced ones, and what interrupted deploys left.
    """

    project: str
    changes: tuple[JobChange, ...] = ()
    removed: tuple[Container, ...] = ()
    live: tuple[Container, ...] = ()
    old: tuple[Container, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether a release is made for them."""
        return bool(self.removed) or any(change.creates and not change.resumes for change in self.changes)

    @property
    def resumed(self) -> bool:
        """Whether there are jobs that go on after their service was stopped."""
        return any(change.resumes for change in self.changes)


def jobs_diff(project: Project, observed: Observed, owners: Sequence[Owner], *, partial: bool) -> JobsDiff:
    """Compare the jobs of a project with those on its server.

    Args:
        project: The desired project.
        observed: The server.
        owners: The changes of the services that are deployed, and of the dependencies.
        partial: Whether those are not all: nothing is removed.
    """
    on_server = observed.of_role(labels.ROLE_JOB)
    live = {one.labels[labels.JOB]: one for one in on_server if is_live_job(one)}
    stopped = {one.labels[labels.JOB]: one for one in on_server if is_stopped_job(one)}
    current = {**stopped, **live}
    by_name = {change.name: change for change in owners}
    jobs = (*project.jobs, *map(backup_job, project.backups))
    changes = tuple(
        _change(project, job, by_name[job.service], current.get(job.name))
        for job in jobs
        if job.service in by_name
    )
    names = {job.name for job in jobs}
    removed = () if partial else tuple(one for name, one in sorted(current.items()) if name not in names)
    own = {change.name for change in changes}
    old = tuple(
        one
        for one in on_server
        if one not in current.values() and (not partial or one.labels[labels.JOB] in own)
    )
    return JobsDiff(project.name, changes, removed, tuple(live.values()), old)


def resumed_jobs(project: Project, observed: Observed, owners: Sequence[Owner]) -> JobsDiff:
    """The jobs of services that were stopped, and now start in the release that is live."""
    diff = jobs_diff(project, observed, owners, partial=True)
    resumed = tuple(
        replace(change, action="restarted", why=WAS_STOPPED)
        for change in diff.changes
        if change.current is not None and is_stopped_job(change.current)
    )
    names = {change.name for change in resumed}
    return replace(
        diff, changes=resumed, old=tuple(one for one in diff.old if one.labels[labels.JOB] in names)
    )


def _change(project: Project, job: Job, owner: Owner, current: Container | None) -> JobChange:
    spec = job_spec(project, job, owner)
    action: Action = "unchanged"
    why = ""
    if current is None:
        action, why = "created", "new"
    elif current.labels.get(labels.CONTENT) != _content(owner):
        action, why = "replaced", NEW_IMAGE
    elif current.labels.get(labels.CONFIG) != spec.labels[labels.CONFIG]:
        action, why = "replaced", NEW_CONFIGURATION
    elif is_stopped_job(current):
        action, why = "restarted", WAS_STOPPED
    return JobChange(job, owner, spec, action, why, current)


def _content(owner: Owner) -> str:
    return owner.source.content if isinstance(owner, ServiceChange) else owner.dependency.image


def backup_job(backup: ScheduledBackup) -> Job:
    """The job that makes a scheduled backup."""
    command = (
        program("ftl.host", "backup.sh"),
        "ftl-backup",
        backup.dependency,
        str(backup.keep),
        program("ftl.host", "dump.sh"),
    )
    return Job(
        name=backup.job,
        service=backup.dependency,
        command=command,
        schedule=backup.schedule,
        timeout=BACKUP_SECONDS,
    )


def job_spec(project: Project, job: Job, owner: Owner) -> ContainerSpec:
    """Container of a job: that of its service with another command, no ports, no aliases."""
    words = Schedule.parse(job.schedule).words
    schedule = {
        labels.SCHEDULE: job.schedule,
        labels.WHEN: " ".join((*words, job.timezone, str(math.ceil(job.timeout)))),
    }
    base = (
        service_container(project, owner.service).spec
        if isinstance(owner, ServiceChange)
        else _backup_container(project, owner.dependency)
    )
    spec = replace(task_spec(project.name, base, schedule), command=command_words(job.command))
    own = {
        labels.PROJECT: project.name,
        labels.SERVICE: job.service,
        labels.JOB: job.name,
        labels.ROLE: labels.ROLE_JOB,
        labels.CONFIG: fingerprint(spec),
    }
    return replace(spec, labels={**schedule, **own})


def _backup_container(project: Project, dependency: Dependency) -> ContainerSpec:
    """Container that dumps a dependency over the network: its image, env and files, and not its data.

    It is root in there, since the folder of the backups is root's.
    """
    folder = next(one.path for one in project.backups if one.dependency == dependency.name)
    desired = dependency_container(project, dependency).spec
    return ContainerSpec(
        image="",
        labels={},
        env=desired.env,
        entrypoint=("sh", "-c"),
        mounts=(Mount(f"{folder.rstrip('/')}/{project.name}", "/backups"),),
        settings={"User": "0"},
        files=desired.files,
    )


def live_spec(change: JobChange, release: str) -> ContainerSpec:
    """A job's container as one release creates it."""
    marks = {
        **change.spec.labels,
        labels.RELEASE: release,
        labels.CONTENT: _content(change.owner),
    }
    return replace(change.spec, labels=marks)


# --- tracks -----------------------------------------------------------------------------------------


def prepare_tracks(diff: JobsDiff) -> Iterator[Track]:
    """Refuse a server without cron, and remove what interrupted deploys left."""
    if diff.changes and diff.changed:
        yield (CheckCron(tuple(sorted({change.job.timezone for change in diff.changes}))),)
    fresh = [one for one in diff.old if ".new-" in one.name]
    if fresh:
        yield (RemoveJobs(_refs(fresh)),)


def fresh_name(diff: JobsDiff, change: JobChange, release: str) -> str:
    """Name of a job's new container until the release is live."""
    return f"{job_name(diff.project, change.name)}.new-{release}"


def create_tracks(diff: JobsDiff, release: str, image: Mapping[str, str]) -> Iterator[Track]:
    """Create the containers of new and changed jobs.

    Args:
        diff: The jobs.
        release: The release that is made.
        image: Images of the services and dependencies that start.
    """
    for change in diff.changes:
        if change.creates:
            name = change.owner.name
            joins = name not in image
            yield (
                CreateJob(
                    name,
                    change.name,
                    fresh_name(diff, change, release),
                    live_spec(change, release),
                    _live_image(change.owner) if joins else image[name],
                    change.why,
                    joins,
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
    lines = {_line(one) for one in diff.live}
    both = lines | {_fresh_line(diff, change) for change in diff.changes if change.creates}
    if both == lines:
        return ()
    before = tuple(sorted(lines, key=_order))
    return (WriteCrontab(diff.project, tuple(sorted(both, key=_order)), before),)


def after_switch(diff: JobsDiff, release: str) -> Track:
    """Switch the containers; then write the crontab without the lines of the old ones."""
    changed = {change.name: change for change in diff.changes}
    gone = {one.id for one in diff.removed}
    stay = [one for one in diff.live if one.id not in gone and one.labels[labels.JOB] not in changed]
    lines = [_line(one) for one in stay] + [_fresh_line(diff, change) for change in diff.changes]
    if not lines and not diff.removed:
        return ()
    switches = [
        _switch(diff, change.name, change.current, fresh_name(diff, change, release))
        for change in diff.changes
        if change.creates
    ]
    switches += [_switch(diff, one.labels[labels.JOB], one, "") for one in diff.removed]
    names = tuple(one.labels[labels.JOB] for one in diff.removed)
    write = WriteCrontab(diff.project, tuple(sorted(lines, key=_order)), removed=names)
    return (*((SwitchJobs(tuple(switches)),) if switches else ()), write)


def stop_track(observed: Observed, services: Sequence[str]) -> Track:
    """Take the jobs of services from cron, and stop their runs; the containers stay."""
    on_server = observed.of_role(labels.ROLE_JOB)
    own = [one for one in on_server if one.labels[labels.SERVICE] in services]
    live = [one for one in own if is_live_job(one)]
    steps: list[Step] = []
    if live:
        switches = (JobSwitch(one.name, "", ContainerRef(one.id, one.name), stopped_job(one)) for one in live)
        stay = [_line(one) for one in on_server if is_live_job(one) and one not in live]
        names = tuple(sorted(one.labels[labels.JOB] for one in live))
        steps.append(SwitchJobs(tuple(switches)))
        steps.append(WriteCrontab(observed.project, tuple(sorted(stay, key=_order)), removed=names))
    if running := [one for one in own if one.state in ("running", "paused")]:
        steps.append(StopContainers(running[0].labels[labels.SERVICE], _refs(running), STOP_SECONDS))
    return tuple(steps)


def clean_track(diff: JobsDiff) -> Track:
    """Remove old containers. The last one that ran stays, for its log and its exit code."""
    removed = {one.labels[labels.JOB] for one in diff.removed}
    removed |= {one.labels[labels.JOB] for one in diff.old} - {change.name for change in diff.changes}
    replaced = [change.current for change in diff.changes if change.creates and change.current is not None]
    going = sorted(
        [*diff.old, *replaced, *diff.removed], key=lambda one: (one in replaced, one.created), reverse=True
    )
    kept: set[str] = set()
    remove = []
    for one in going:
        name = one.labels[labels.JOB]
        ran = one.state != "created" and ".new-" not in one.name
        if ran and name not in kept | removed:
            kept.add(name)
        elif ".new-" not in one.name:
            remove.append(one)
    return (RemoveJobs(_refs(remove)),) if remove else ()


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


def _line(container: Container) -> CronLine:
    when = container.labels.get(labels.WHEN, "").split()
    return CronLine(
        container.name, container.labels.get(labels.SCHEDULE, ""), when[6] if len(when) == 8 else ""
    )


def _refs(containers: Sequence[Container]) -> tuple[ContainerRef, ...]:
    return tuple(ContainerRef(one.id, one.name) for one in containers)
