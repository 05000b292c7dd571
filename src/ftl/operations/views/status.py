"""Status of a project on its server: running containers, health, ports. Read-only."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2, task_group
from ftl.common.figures import utc
from ftl.common.programs import program, shell
from ftl.dataclass import dataclass
from ftl.deploy.locked import known_holder
from ftl.deploy.observe.snapshot import observe
from ftl.deploy.observe.swarm import located_container
from ftl.deploy.plan.tracks.ended_watch import open_watch
from ftl.engine import labels
from ftl.host.jobs import Crontab, job_states, lost_jobs
from ftl.operations.views import early_checks
from ftl.operations.views.container_health import ContainerHealth, check_containers
from ftl.operations.views.servers import server_states
from ftl.operations.views.units import units_of
from ftl.proxy.configuration.caddy import only_site
from ftl.releases.audit import broke_off
from ftl.releases.record import release_number, stored_project

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from ftl.config.models.project import Project
    from ftl.deploy.observe.observer import Observe
    from ftl.deploy.observe.state import Observed, ServerView
    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo
    from ftl.host.fleet import Fleet
    from ftl.host.jobs import JobState
    from ftl.host.session import Session
    from ftl.operations.views.servers import ServerStatus
    from ftl.operations.views.units import Unit
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """The release that went live last, from its record.

    Attributes:
        time: When it went live: RFC 3339.
        commit: The full hash; "-dirty" at its end means uncommitted changes.
    """

    release: str
    time: str
    by: str
    commit: str | None
    subject: str


@dataclass(frozen=True, slots=True)
class WatchStatus:
    """Watch of the live release by the server.

    Attributes:
        before: The release that it goes back to.
        until: When it ends: RFC 3339.
        interrupted: Nothing watches any more: the server was restarted meanwhile.
    """

    release: str
    before: str
    until: str
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Status:
    """A project on its server, or on those of its cluster.

    Attributes:
        release: The youngest release that is live; None where none is.
        live: The release that went live last; None where no record says so.
        hold: Why nobody shall deploy, from `ftl rollback --hold`; None: everybody may.
        maintenance: Whether visitors get 503, from `ftl maintenance on`.
        watch: The watch of the live release that has not ended, from `ftl deploy --watch`.
        servers: Those of a cluster; empty with one server.
        changing: What is happening: "has been locked by ann (rollback)"; None: nobody changes the project.
        broke_off: Whether a change of the project did not end, and none since has repaired it.
        by_address: Whether it also answers by the server's address, as the only project there with routes.
        now: Unix time of the look, by the server's clock, as are the times in it.
    """

    project: str
    server: str
    engine: str
    release: str | None
    units: tuple[Unit, ...]
    jobs: tuple[JobState, ...] = ()
    live: LiveRelease | None = None
    urls: tuple[str, ...] = ()
    hold: str | None = None
    maintenance: bool = False
    watch: WatchStatus | None = None
    servers: tuple[ServerStatus, ...] = ()
    changing: str | None = None
    broke_off: bool = False
    by_address: bool = False
    now: float = 0.0

    @property
    def lost(self) -> tuple[str, ...]:
        """Names of running units that would not run after a reboot."""
        return tuple(unit.name for unit in self.units if not unit.returns)

    def fields(self) -> dict[str, object]:
        """Its fields in `--json` output."""
        fields = {**asdict(self), "jobs": [job.fields() for job in self.jobs], "deployed": self.deployed}
        del fields["now"], fields["by_address"]
        return fields

    @property
    def deployed(self) -> bool:
        """Whether the project has any container on the server."""
        return any(unit.running or unit.image for unit in self.units if unit.kind not in ("proxy", "run"))


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """All that is asked of a server for a status.

    Attributes:
        healths: By the ID of the container.
    """

    observed: Observed
    healths: Mapping[str, ContainerHealth]
    jobs: tuple[JobState, ...]


async def gather_status(
    project: Project,
    engine: Engine,
    machine: Machine,
    info: EngineInfo | None = None,
    *,
    opened: asyncio.Event | None = None,
) -> StatusFacts:
    """Observe the server, probe every running container once, and ask for the jobs.

    Containers are checked as soon as they are listed, and before that where the last status saw them: engines need
    longer for the files of the release records and of the proxy (100 ms on Docker 20.10, which starts a program for
    each; 15 ms on 26.1). The engine is asked for its info as well, unless it is given. The crontab is compared
    meanwhile, once the event says that commands can run on the machine; without one they can.

    Raises:
        ServerError, EngineError: The server does not answer.
    """
    async with task_group() as group:
        early = early_checks.begin(group, project, engine, machine)
        listing = group.create_task(engine.containers())
        observing = group.create_task(observe(engine, info, project.name, machine.name, containers=listing))
        listed = await listing
        early_checks.update_notes(early, project, machine, listed)
        checking = group.create_task(check_containers(project, engine, machine, listed, early=early))
        own = [container for container in listed if container.project == project.name]
        crontab = Crontab(machine, project.name, opened)
        jobs = group.create_task(job_states(engine, own, crontab=crontab))
    return StatusFacts(observing.result(), checking.result(), jobs.result())


async def gather_cluster_status(project: Project, fleet: Fleet, observe: Observe) -> StatusFacts:
    """Observe the servers of a cluster; check the containers on each, and so the replicas."""
    observed = await observe(fleet, project.name, project.servers)

    async def checked(view: ServerView) -> dict[str, ContainerHealth]:
        session = fleet.at(view.name)
        return await check_containers(project, session.engine, session.machine, view.containers, overlay=True)

    checks, jobs = await gather2(
        gather(map(checked, observed.views)),
        gather(_jobs_on(project, fleet.at(view.name), view) for view in observed.views),
    )
    healths = {name: health for each in checks for name, health in each.items()}
    for replica in observed.services:
        located = located_container(observed, replica)
        if located is None:
            why = "stopped" if replica.state == "exited" else f"no task runs ({replica.status})"
            healths[replica.id] = ContainerHealth(False, False, why, "")
        else:
            healths[replica.id] = healths[located[1].id]
    return StatusFacts(observed, healths, tuple(state for each in jobs for state in each))


async def _jobs_on(project: Project, session: Session, view: ServerView) -> tuple[JobState, ...]:
    own = [container for container in view.containers if container.project == project.name]
    return await job_states(session.engine, own, crontab=Crontab(session.machine, project.name))


async def status(project: Project, fleet: Fleet, ahead: StatusFacts | None = None) -> Status:
    """Describe the project from a look at its servers; without one, it is taken at the first.

    Raises:
        ServerError, EngineError: A server does not answer.
    """
    session = fleet.first
    seen = ahead or await gather_status(project, session.engine, session.machine, session.info)
    observed = seen.observed
    units = units_of(project, observed, seen.healths)
    releases = [unit.release for unit in units if unit.live and unit.release]
    changing = await _changing(fleet, observed)
    return Status(
        project=project.name,
        server=observed.server,
        engine=session.info.version,
        release=max(releases, key=release_number, default=None),
        units=units,
        jobs=(*seen.jobs, *_lost_jobs(project, seen)),
        live=_live(observed),
        urls=project.urls,
        hold=observed.hold.reason if observed.hold is not None else None,
        maintenance=observed.site is not None and observed.site.maintenance is not None,
        watch=await _watch(session, observed),
        servers=tuple(server_states(project, observed)) if observed.is_cluster else (),
        changing=changing,
        broke_off=changing is None and broke_off(observed.audit),
        by_address=_by_address(observed),
        now=session.info.now,
    )


def _lost_jobs(project: Project, seen: StatusFacts) -> tuple[JobState, ...]:
    """Jobs of the live release that no server has; none while a server does not answer, which may have them.

    What removes their containers (`docker container prune`) may remove that of the records as well, see `note_pruned`.
    """
    observed = seen.observed
    if not observed.live_number or (observed.is_cluster and len(observed.views) < len(project.servers)):
        return ()
    recorded = stored_project(observed.releases)
    if recorded.get("servers") and not observed.is_cluster:  # the jobs may be on another one than this
        return ()
    return lost_jobs(project.name, recorded, seen.jobs)


async def _watch(session: Session, observed: Observed) -> WatchStatus | None:
    """The watch of a release that serves, while the containers of the previous one exist.

    The script on the server is looked for: a reboot ends it.
    """
    watch = open_watch(observed)
    stay = watch is not None and any(
        container.labels[labels.RELEASE] == watch.before for container in observed.services
    )
    if watch is None or not stay:
        return None
    script = program(__package__, "watch_runs.sh")
    words = (observed.project, watch.release, session.machine.engine_socket)
    done = await session.machine.run(shell(script, "ftl-status", *words))
    return WatchStatus(watch.release, watch.before, utc(watch.until), interrupted=done.exit_code != 0)


async def _changing(fleet: Fleet, observed: Observed) -> str | None:
    """Tell who changes the project, where the last change has not ended: it may have broken off."""
    if not observed.audit or observed.audit[-1].outcome != "started":
        return None
    holder = await known_holder(fleet, observed.project)
    return holder.state if holder is not None else None


def _by_address(observed: Observed) -> bool:
    sites = tuple(observed.proxy.sites.values()) if observed.proxy is not None else ()
    only = only_site(sites)
    return only is not None and only.project == observed.project


def _live(observed: Observed) -> LiveRelease | None:
    record = observed.live_record
    if record is None:
        return None
    time = utc(record.switched or record.started + record.seconds)
    return LiveRelease(record.release, time, record.by, record.commit, record.subject)
