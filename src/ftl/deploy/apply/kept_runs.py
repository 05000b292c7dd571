"""The last lines of runs of jobs, kept when their containers are removed."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.redact import redacted
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.host.job_logs import CHARACTERS, LINES, RunLog, store_run_logs
from ftl.host.job_runs import RUNS, has_run, moment_of, stored_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.api import Engine
    from ftl.engine.values import Container, LogLine

SECONDS = 10.0
"""Limit for reading and storing them."""


async def keep_runs(context: DeployContext, containers: Sequence[str]) -> None:
    """Keep the last lines of the runs of jobs' containers on this server, by their IDs.

    Those that cannot be read in time are lost: a deploy does not fail for them.
    """
    by_job: dict[str, list[Container]] = {}
    for container in context.observed.of_role(labels.ROLE_JOB):
        if container.id in containers:
            by_job.setdefault(container.labels[labels.JOB], []).append(container)
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await gather(_keep_runs(context, job, group) for job, group in by_job.items())


async def _keep_runs(context: DeployContext, job: str, containers: Sequence[Container]) -> None:
    engine, project = context.engine, context.project.name
    with suppress(FtlError):
        states = await gather(engine.container(container.id) for container in containers)
        ran = [
            (container, state.started)
            for container, state in zip(containers, states, strict=True)
            if state is not None and has_run(state)
        ]
        if not ran:
            return
        known = {run.started for run in await stored_runs(engine, project, job)}
        logs = [
            log
            for container, last in ran
            for log in await _run_logs(engine, project, container, {*known, last})
        ]
        await store_run_logs(engine, project, job, logs)


async def _run_logs(
    engine: Engine, project: str, container: Container, starts: Iterable[str]
) -> list[RunLog]:
    """The last lines of each run in a container; `starts` are those of all known runs, also of other containers."""
    begun = sorted(start for start in starts if moment_of(start).timestamp() >= container.created)
    found: dict[str, deque[LogLine]] = {}
    async with aclosing(engine.logs(container.id, tail=LINES * RUNS)) as lines:
        async for line in lines:
            # The engine notes a start a moment after the first line may have come.
            start = begun[max(0, bisect_right(begun, line.time) - 1)]
            text = redacted(line.text)[:CHARACTERS]
            found.setdefault(start, deque(maxlen=LINES)).append(line._replace(text=text))
    service, release = (container.labels.get(name, "") for name in (labels.SERVICE, labels.RELEASE))
    name = container.name.removeprefix(f"{project}.")
    return [RunLog(start, service, container.id, name, release, tuple(kept)) for start, kept in found.items()]
