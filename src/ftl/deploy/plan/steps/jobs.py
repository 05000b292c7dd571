"""Steps about jobs: their containers, and the crontab that starts these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import count
from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import ContainerRef, ServiceStep, Step, names

if TYPE_CHECKING:
    from ftl.engine.specs import ContainerSpec
    from ftl.host.backup_folders import BackupFolder
    from ftl.host.crontab import CronLine


@dataclass(frozen=True, slots=True)
class CheckCron(Step):
    """Make sure that cron runs on the server, before anything is switched."""

    kind = "check_cron"
    runs_on = "first"
    sentence = "check that cron runs on the server"
    timezones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateJob(ServiceStep):
    """Create the container of a job, without starting it.

    Attributes:
        container: The container's name until the release is live.
        joins: It runs the image of the service's live containers, which the deploy does not change.
        creates_folder: The folder of its backups is created where it is missing.
    """

    kind = "create_job"
    runs_on = "first"
    sentence = "create the job {0.job} ({0.why})"
    job: str
    container: str
    spec: ContainerSpec
    image: str
    why: str
    joins: bool = False
    creates_folder: bool = False


@dataclass(frozen=True, slots=True)
class WriteCrontab(Step):
    """Write the project's lines of the deploy user's crontab.

    Attributes:
        before: Those to write again if the release is not decided; None: it is decided already. Until then the lines
            of old and of new containers are there.
        removed: Jobs that lose their line with it.
    """

    kind = "write_crontab"
    runs_on = "first"
    project: str
    lines: tuple[CronLine, ...]
    before: tuple[CronLine, ...] | None = None
    removed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        if self.removed:
            return f"remove {', '.join(self.removed)} from the crontab"
        jobs = len({line.container for line in self.lines})
        return f"write {count(jobs, 'job')} to the crontab"


@dataclass(frozen=True, slots=True)
class SetJobless(Step):
    """Say whether a server has lost its jobs to another one while it did not answer.

    Its cron asks for that before it starts any, or sends messages about certificates.
    """

    kind = "set_jobless"
    runs_on = "one manager"
    server: str
    value: bool

    @property
    def text(self) -> str:
        if self.value:
            return f"start no jobs on {self.server} when it comes back"
        return f"allow jobs on {self.server} again"


@dataclass(frozen=True, slots=True)
class JobSwitch:
    """New and old container of a job.

    Attributes:
        name: The name that cron starts.
        fresh: Name of the new container until now; empty: the job is removed.
        old: The container that has the name now, if one has.
        parked: Its name afterwards.
    """

    name: str
    fresh: str = ""
    old: ContainerRef | None = None
    parked: str = ""


@dataclass(frozen=True, slots=True)
class SwitchJobs(Step):
    """Give new containers of jobs the names that cron starts; old ones run to their end."""

    kind = "switch_jobs"
    runs_on = "first"
    switches: tuple[JobSwitch, ...]

    @property
    def text(self) -> str:
        return f"switch {', '.join(switch.name for switch in self.switches)}"


@dataclass(frozen=True, slots=True)
class RemoveJobs(Step):
    """Remove old containers of jobs; one that runs stays, and goes with a later deploy."""

    kind = "remove_jobs"
    runs_on = "first"
    containers: tuple[ContainerRef, ...]

    @property
    def text(self) -> str:
        return f"remove {names(self.containers)}, unless it still runs"


@dataclass(frozen=True, slots=True)
class RemoveBackups(Step):
    """Remove the scheduled backups of the project."""

    kind = "remove_backups"
    runs_on = "first"
    project: str
    folders: tuple[BackupFolder, ...]

    @property
    def text(self) -> str:
        return f"remove the scheduled backups in {', '.join(folder.path for folder in self.folders)}"


@dataclass(frozen=True, slots=True)
class DeleteRunHistory(Step):
    """Delete the run history of jobs."""

    kind = "forget_runs"
    runs_on = "first"
    project: str
    jobs: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"delete the run history of {', '.join(self.jobs)}"
