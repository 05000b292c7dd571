"""Run a job of the live release now, and follow its log."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.host import crontab
from ftl.host.jobs import find_job, read_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.engine.values import LogLine
    from ftl.host.session import Session


async def run_job(session: Session, project: str, name: str, show: Callable[[LogLine], None]) -> int:
    """Start a job, show its log up to its end, and return its exit status.

    The server stops it after its timeout, whatever becomes of us.

    Raises:
        UsageError: There is no such job.
        FtlError: It is running.
        EngineError: It does not start.
    """
    engine = session.engine
    job = find_job(await read_jobs(engine, project), name, session.name)
    if job.running:
        raise FtlError(
            f"the job {name} is running, since {job.since}",
            hint=f"`ftl logs --job {name} -f` follows it; it is never run twice at once",
        )
    before = await engine.container(job.container)
    if before is None:
        raise FtlError(f"the container of the job {name} is gone", hint="`ftl deploy` creates it again")
    container = before.id  # not the name: a deploy may give it to another container while this one runs
    # Lines of the runs before are in the same log. The first line of this run may be older than its start, as the
    # engine has it.
    ended = None if before.finished.startswith("0001-") else before.finished
    await engine.start(container)
    await crontab.watch(session.machine, container)
    async with aclosing(engine.logs(container, follow=True, since=ended or None)) as lines:
        async for line in lines:
            show(line)
    return await engine.wait(container)
