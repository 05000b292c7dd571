"""Jobs of the live release: list them, or run one now and follow its log."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.deploy.inputs import author
from ftl.deploy.locked import locked
from ftl.errors import FtlError
from ftl.host import crontab
from ftl.host.jobs import Crontab, find_job, lost_jobs, read_jobs
from ftl.releases.pruned import note_pruned
from ftl.releases.record import stored_project
from ftl.releases.store import read_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftl.deploy.command_line import GivenCommand
    from ftl.engine.values import LogLine
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.jobs import JobState
    from ftl.host.session import Session


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to run.

    Attributes:
        root: Folder of ftl.yaml, or the current one.
        on: The server of a cluster that jobs run on; empty with one server.
    """

    project: str
    name: str
    root: Path
    command: GivenCommand
    on: str = ""


async def read_all_jobs(
    session: Session, project: str, emit: Emit, *, first: bool = False
) -> tuple[JobState, ...]:
    """The jobs of a project, also those whose containers are gone.

    Of a cluster the first server has the jobs, and more have the records: unless the engine is known to be that of the
    `first`, nothing is missed there. A note says where records cannot be read.
    """
    asked = Crontab(session.machine, project)
    found, records = await gather2(
        read_jobs(session.engine, project, now=session.info.moment, crontab=asked),
        read_records(session.engine, project),
    )
    if not records:
        await note_pruned(session.engine, session.name, emit)
    recorded = stored_project(records)
    return found if recorded.get("servers") and not first else (*found, *lost_jobs(project, recorded, found))


async def run_job(request: JobRequest, fleet: Fleet, show: Callable[[LogLine], None], emit: Emit) -> int:
    """Start a job, show its log up to its end, and return its exit status.

    The deploy lock is held while it is started, and not while it runs. The server stops it after its timeout, whatever
    becomes of us.

    Raises:
        UsageError: There is no such job.
        FtlError: It is running, or does not start.
        LockTaken: A deploy of the project is under way.
    """
    session, name = fleet.require(request.on), request.name
    engine = session.engine
    job = find_job(await read_jobs(engine, request.project), name, session.name)
    by = (await author(request.root)).name
    async with locked(fleet, request.project, command=request.command, by=by, emit=emit):
        before = await engine.container(job.container)
        container = await crontab.start(session.machine, job.container)
        if not container:
            raise FtlError(
                f"the job {name} is running" + (f", since {job.since}" if job.since else ""),
                hint=f"{ftl(f'logs --job {name} -f')} follows it; it is never run twice at once",
            )
    # Its ID, not its name: a deploy may give that to another container while this one runs.
    # Lines of the runs before are in the same log. The first line of this run may be older than its start, as the
    # engine has it.
    ended = None
    if before is not None and before.id == container and not before.finished.startswith("0001-"):
        ended = before.finished
    async with aclosing(engine.logs(container, follow=True, since=ended or None)) as lines:
        async for line in lines:
            show(line)
    return await engine.wait(container)
