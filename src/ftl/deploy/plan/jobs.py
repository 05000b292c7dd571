"""Jobs: the change of each, and the steps for it. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_str
from ftl.common.references import configured_reference
from ftl.config.models.project import Job
from ftl.config.values.schedule import Schedule
from ftl.dataclass import dataclass
from ftl.deploy.names import is_live_job, is_stopped_job, network_of
from ftl.deploy.plan.changes import NEW_CONFIGURATION, NEW_IMAGE, STOPPED, DependencyChange, ServiceChange
from ftl.deploy.plan.desired.specs import (
    command_words,
    dependency_container,
    fingerprint,
    service_container,
    task_spec,
)
from ftl.deploy.plan.reasons import DEPENDENCIES, recorded_section
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Mount
from ftl.host.backup_folders import backup_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from ftl.config.models.backup import ScheduledBackup
    from ftl.config.models.project import Dependency, Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Action
    from ftl.engine.values import Container


BACKUP_SECONDS = 6 * 3600.0
"""Time that a scheduled backup may take."""


WAS_STOPPED = "it was stopped"


Owner = ServiceChange | DependencyChange


@dataclass(frozen=True, slots=True)
class JobChange:
    """Change of a job.

    Attributes:
        owner: The change of its service, or of the dependency that it backs up.
        spec: Settings of its container, without image, release and content.
        current: The container that cron starts, or would start if the service was not stopped; if there is one.
        had_folder: Whether the live release has the folder of its backups: its container may have been pruned.
    """

    job: Job
    owner: Owner
    spec: ContainerSpec
    action: Action
    why: str
    current: Container | None
    had_folder: bool = False

    @property
    def name(self) -> str:
        """The job's name."""
        return self.job.name

    @property
    def creates(self) -> bool:
        """Whether a new container is created."""
        return self.action != "unchanged"

    @property
    def creates_folder(self) -> bool:
        """Whether no deploy has created the folder of its backups yet."""
        folder = self.spec.labels.get(labels.FOLDER)
        before = self.current.labels.get(labels.FOLDER) if self.current is not None else None
        return folder is not None and folder != before and not self.had_folder

    @property
    def resumes(self) -> bool:
        """Whether cron starts it again, in a new container, whose age says since when."""
        return self.action == "restarted"


@dataclass(frozen=True, slots=True)
class JobsElsewhere:
    """Containers of jobs on a server of a cluster that is not the first one any more.

    Attributes:
        leaving: Those of the services that are deployed, and of jobs that are gone: the first server has theirs.
        staying: Those that cron goes on starting there.
    """

    server: str
    leaving: tuple[Container, ...]
    staying: tuple[Container, ...]


@dataclass(frozen=True, slots=True)
class JobsDiff:
    """The jobs of a project, and those on its server; of several servers, on the first one.

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
    elsewhere: tuple[JobsElsewhere, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether a release is made for them."""
        return bool(self.removed) or any(change.creates and not change.resumes for change in self.changes)

    @property
    def resumed(self) -> bool:
        """Whether there are jobs that keep running after their service was stopped."""
        return any(change.resumes for change in self.changes)


def jobs_diff(project: Project, observed: Observed, owners: Sequence[Owner], *, partial: bool) -> JobsDiff:
    """Compare the jobs of a project with those on its server.

    Owners are the changes of the services that are deployed, and of the dependencies. If those are not all (`partial`),
    nothing is removed.
    """
    places = by_server(observed, observed.of_role(labels.ROLE_JOB))
    on_server = places.pop(project.servers[0].host if observed.is_cluster else "", ())
    live = {container.labels[labels.JOB]: container for container in on_server if is_live_job(container)}
    stopped = {
        container.labels[labels.JOB]: container for container in on_server if is_stopped_job(container)
    }
    current = {**stopped, **live}
    by_name = {change.name: change for change in owners}
    jobs = (*project.jobs, *map(backup_job, project.backups))
    folders = _recorded_folders(project, observed)
    changes = tuple(
        _change(project, job, by_name[job.service], current.get(job.name), folders, observed)
        for job in jobs
        if job.service in by_name
    )
    names = {job.name for job in jobs}
    removed = (
        ()
        if partial
        else tuple(container for name, container in sorted(current.items()) if name not in names)
    )
    own = {change.name for change in changes}
    old = tuple(
        container
        for container in on_server
        if container not in current.values() and (not partial or container.labels[labels.JOB] in own)
    )
    elsewhere = tuple(
        _elsewhere(server, containers, own if partial else None) for server, containers in places.items()
    )
    return JobsDiff(project.name, changes, removed, tuple(live.values()), old, elsewhere)


def is_left_alone(observed: Observed, change: DependencyChange) -> bool:
    """Whether a deploy of single services leaves a dependency and its backups as recorded.

    Not one that no record has, nor one whose backup has lost its container: a deploy makes it again.
    """
    live = observed.live_record
    if live is None or change.action != "unchanged":
        return False
    if not recorded_section(observed, DEPENDENCIES, change.name):
        return False
    backups = live.sections("backups")
    if observed.down or all(backup.get("dependency") != change.name for backup in backups):
        return True  # a server that cannot be reached may have it
    return any(
        container.labels.get(labels.SERVICE) == change.name
        for container in observed.of_role(labels.ROLE_JOB)
        if is_live_job(container) or is_stopped_job(container)
    )


def by_server(observed: Observed, containers: Iterable[Container]) -> dict[str, tuple[Container, ...]]:
    """Containers by the server that has them; with one server its name is empty."""
    found: dict[str, tuple[Container, ...]] = {}
    for container in containers:
        server = observed.server_of(container)
        found[server] = (*found.get(server, ()), container)
    return found


def _elsewhere(server: str, containers: Sequence[Container], jobs: set[str] | None) -> JobsElsewhere:
    """Containers on another server, of which those of certain `jobs` leave; None: all."""
    leaving = tuple(one for one in containers if jobs is None or one.labels[labels.JOB] in jobs)
    staying = (one for one in containers if one not in leaving and is_live_job(one))
    return JobsElsewhere(server, leaving, tuple(staying))


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
        diff,
        changes=resumed,
        old=tuple(container for container in diff.old if container.labels[labels.JOB] in names),
    )


def _recorded_folders(project: Project, observed: Observed) -> frozenset[str]:
    """The folders that the live release's backups go to, on the server that has the jobs now."""
    servers = observed.live_sections("servers")
    if (servers[0].get("host") if servers else "") != (project.servers[0].host if project.servers else ""):
        return frozenset()
    paths = (as_str(backup.get("path")) for backup in observed.live_sections("backups"))
    return frozenset(_folder(path, project.name) for path in paths if path)


def _folder(path: str, project: str) -> str:
    """The folder of a project's backups below `backups[].path`."""
    return f"{path.rstrip('/')}/{project}"


def _change(
    project: Project, job: Job, owner: Owner, current: Container | None, folders: Set[str], observed: Observed
) -> JobChange:
    spec = job_spec(project, job, owner)
    action: Action = "unchanged"
    why = ""
    if current is None:
        action, why = "created", "new"
    elif is_stopped_job(current) and isinstance(owner, DependencyChange) and owner.why == STOPPED:
        why = STOPPED  # a backup of a database that does not run fails
    elif current.labels.get(labels.CONTENT) != _content(owner):
        action, why = "replaced", NEW_IMAGE
    elif current.labels.get(labels.CONFIG) != spec.labels[labels.CONFIG]:
        action, why = "replaced", NEW_CONFIGURATION
    elif is_stopped_job(current):
        action, why = "restarted", WAS_STOPPED
    # Of several servers, the one where the database is new may be installed anew: the others have the records.
    is_anew = observed.is_cluster and owner.action == "created"
    had_folder = not is_anew and spec.labels.get(labels.FOLDER) in folders
    return JobChange(job, owner, spec, action, why, current, had_folder)


def _content(owner: Owner) -> str:
    """The image of an owner; of a dependency that a part of a deploy keeps as it is, that which it has."""
    if isinstance(owner, ServiceChange):
        return owner.source.content
    kept = None if owner.starts else owner.current
    if kept is not None and kept.labels.get(labels.CONFIG) != owner.desired.config:
        return configured_reference(kept.image)
    return owner.dependency.image


def backup_job(backup: ScheduledBackup) -> Job:
    """The job that makes a scheduled backup."""
    return Job(
        name=backup.job,
        service=backup.dependency,
        command=backup_command(backup.dependency, backup.keep, backup.without),
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
    spec = replace(task_spec(network_of(project), base, schedule), command=command_words(job.command))
    own = {
        labels.PROJECT: project.name,
        labels.SERVICE: job.service,
        labels.JOB: job.name,
        labels.ROLE: labels.ROLE_JOB,
        labels.CONFIG: fingerprint(spec),
    }
    folder = {labels.FOLDER: spec.mounts[0].source} if spec.needs_paths else {}
    return replace(spec, labels={**schedule, **own, **folder})


def _backup_container(project: Project, dependency: Dependency) -> ContainerSpec:
    """Container that dumps a dependency over the network: its image, env and files, and not its data.

    It is root in there, since the folder of the backups is root's. That must exist: the engine would create it on the
    system's disk where its own is not mounted.
    """
    folder = next(backup.path for backup in project.backups if backup.dependency == dependency.name)
    desired = dependency_container(project, dependency).spec
    return ContainerSpec(
        image="",
        labels={},
        env=desired.env,
        entrypoint=("sh", "-c"),
        mounts=(Mount(_folder(folder, project.name), "/backups"),),
        settings={"User": "0"},
        files=desired.files,
        needs_paths=True,
    )


def live_spec(change: JobChange, release: str) -> ContainerSpec:
    """A job's container as one release creates it."""
    label_map = {
        **change.spec.labels,
        labels.RELEASE: release,
        labels.CONTENT: _content(change.owner),
    }
    return replace(change.spec, labels=label_map)
