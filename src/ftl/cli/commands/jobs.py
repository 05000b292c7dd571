"""`ftl jobs` and `ftl jobs run`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put, put_json, put_table, writing
from ftl.cli.project import load_target, project_option
from ftl.cli.run import pass_options, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ftl.cli.options import Options
    from ftl.cli.project import Target
    from ftl.engine.values import LogLine
    from ftl.events import Emit
    from ftl.host.jobs import JobState

HEADER = ("JOB", "SERVICE", "SCHEDULE", "NEXT", "LAST")
OPTIONAL = ("SERVICE", "SCHEDULE")


@click.group(invoke_without_command=True)
@project_option
@click.pass_context
def command(context: click.Context, project: str | None) -> None:
    """List the jobs of the project, or run one now.

    The list has the next and the last run of each, and what is wrong with it. The server's cron runs them by the
    `jobs` of ftl.yaml, each in a container of the live release.
    """
    context.meta["ftl.jobs.project"] = project
    if context.invoked_subcommand is None:
        list_jobs()


@pass_options
def list_jobs(options: Options) -> None:
    """List the jobs."""
    target = load_target(options, click.get_current_context().meta["ftl.jobs.project"])

    async def work(_: Emit) -> tuple[JobState, ...]:
        from ftl.host.jobs import read_jobs
        from ftl.host.session import open_session

        async with open_session(target.address.machine(project=target.project)) as session:
            return await read_jobs(session.engine, target.project)

    found = run(options, "jobs", work, lambda found: {"jobs": [fields_of(job) for job in found]})
    if not options.json:
        _print(target, found)


@command.command("run")
@click.argument("name")
@pass_options
def run_now(options: Options, name: str) -> None:
    """Run a job now, and print its log.

    The exit code is that of the job. It goes on when FTL ends; its timeout applies.
    """
    target = load_target(options, click.get_current_context().meta["ftl.jobs.project"])

    async def work(_: Emit) -> int:
        from ftl.host.session import open_session
        from ftl.operations.jobs import run_job

        async with open_session(target.address.machine(project=target.project)) as session:
            return await run_job(session, target.project, name, lambda line: _show(options, name, line))

    code = run(options, "jobs run", work, lambda code: {"job": name, "exit_code": code})
    if code:
        sys.exit(code)


def fields_of(job: JobState) -> Fields:
    """A job's fields for --json."""
    from dataclasses import asdict

    return {
        "name": job.name,
        "service": job.service,
        "schedule": job.schedule,
        "timezone": job.timezone,
        "next": job.next or None,
        "last": asdict(job.last) if job.last is not None else None,
        "running": job.running,
        "problem": job.problem or None,
    }


def _show(options: Options, name: str, line: LogLine) -> None:
    if options.json:
        put_json(
            {"type": "job_output", "job": name, "stream": line.stream, "time": line.time, "text": line.text}
        )
        return
    stream = sys.stdout if line.stream == "stdout" else sys.stderr
    with writing():
        print(line.text, file=stream, flush=True)


def _print(target: Target, found: Sequence[JobState]) -> None:
    from datetime import UTC, datetime

    if not found:
        put(f"{target.project} has no jobs on its server; `jobs` in ftl.yaml, then `ftl deploy`, makes some")
        return
    now = datetime.now(UTC)
    put_table(HEADER, [_row(job, now) for job in found], optional=OPTIONAL, sentences=("LAST",))


def _row(job: JobState, now: datetime) -> tuple[str, ...]:
    from ftl.figures import age, duration

    last = "never ran"
    if job.running:
        last = f"running for {age(_seconds(job.since, now))}"
    elif job.problem:
        last = job.problem
    elif job.last is not None:
        last = f"ok, {age(_seconds(job.last.started, now))} ago, took {duration(job.last.seconds)}"
    zone = "" if job.timezone == "UTC" else f" {job.timezone}"
    return job.name, job.service, f"{job.schedule}{zone}", job.next or "-", last


def _seconds(timestamp: str, now: datetime) -> float:
    from datetime import UTC, datetime

    return max(0.0, (now - datetime.fromisoformat(timestamp[:19]).replace(tzinfo=UTC)).total_seconds())
