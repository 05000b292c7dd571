"""Table of jobs, as `ftl jobs` and `ftl status` print it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ftl.cli.output import put_table
from ftl.common.figures import age, ago, duration, seconds_since

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.host.jobs import JobState

HEADER = ("JOB", "SERVICE", "SCHEDULE", "NEXT", "LAST")
OPTIONAL = ("SERVICE", "SCHEDULE")


def put_jobs(jobs: Iterable[JobState]) -> None:
    """Print jobs with their next and last run, and what is wrong with them."""
    now = datetime.now(UTC)
    put_table(HEADER, [_row(job, now) for job in jobs], optional=OPTIONAL, sentences=("LAST",))


def _row(job: JobState, now: datetime) -> tuple[str, ...]:
    last = "never ran"
    if job.running:
        last = f"running for {age(seconds_since(job.since, now))}"
        last += f"; {job.problem}" if job.problem else ""
    elif job.problem:
        last = job.problem
    elif job.last is not None:
        last = f"ok, {ago(seconds_since(job.last.started, now))}, took {duration(job.last.seconds)}"
    zone = "" if job.timezone == "UTC" else f" {job.timezone}"
    return job.name, job.service, f"{job.schedule}{zone}", "stopped" if job.stopped else job.next or "-", last
