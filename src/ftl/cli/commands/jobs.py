"""`ftl jobs` and `ftl jobs run`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put, put_json, writing
from ftl.cli.project import load_target, project_option
from ftl.cli.running.command_line import given_command, wait_lock_option
from ftl.cli.running.run import pass_options, run
from ftl.cli.views.tables import put_jobs
from ftl.common.next_step import ftl

if TYPE_CHECKING:
    from datetime import datetime

    from ftl.cli.options import Options
    from ftl.engine.values import LogLine
    from ftl.events import Emit
    from ftl.host.jobs import JobState


@click.group(invoke_without_command=True)
@project_option
@click.pass_context
def command(context: click.Context, project: str | None) -> None:
    """List the jobs of the project, or run one now.

    The list has the next and the last run of each, and any problem with it. The server's cron runs them by the `jobs`
    of ftl.yaml, each in a container of the live release; of several servers, the first one does.
    """
    context.meta["ftl.jobs.project"] = project
    if context.invoked_subcommand is None:
        list_jobs()


@pass_options
def list_jobs(options: Options) -> None:
    """List the jobs."""
    target = load_target(options, click.get_current_context().meta["ftl.jobs.project"])

    async def work(emit: Emit) -> tuple[tuple[JobState, ...], datetime]:
        from ftl.host.session import open_session
        from ftl.operations.processes.jobs import read_all_jobs

        address = target.address
        first = bool(address.servers) and not address.narrowed
        async with open_session(address.machine(project=target.project)) as session:
            jobs = await read_all_jobs(session, target.project, emit, first=first)
            return jobs, session.info.moment

    jobs, now = run(options, "jobs", work, lambda seen: {"jobs": [job.fields() for job in seen[0]]})
    if options.json:
        return
    if jobs:
        put_jobs(jobs, now)
    else:
        put(f"{target.project} has no jobs on its server: add `jobs` to ftl.yaml and run {ftl('deploy')}")


@command.command("run")
@click.argument("name")
@wait_lock_option
@pass_options
def run_now(options: Options, name: str) -> None:
    """Run a job now, and print its log.

    The exit code is that of the job. It keeps running when FTL ends; its timeout applies.
    """
    target = load_target(options, click.get_current_context().meta["ftl.jobs.project"], changes=True)
    given = given_command()

    async def work(emit: Emit) -> int:
        from ftl.host.fleet import open_fleet
        from ftl.operations.processes.jobs import JobRequest, run_job

        address = target.address
        on = address.servers[0].host if address.servers else ""
        request = JobRequest(target.project, name, target.root, given, on)
        async with open_fleet(address.machines(project=target.project), emit) as fleet:
            return await run_job(request, fleet, lambda line: _show(options, name, line), emit)

    code = run(options, "jobs run", work, lambda code: _run_fields(name, code))
    if code:
        sys.exit(code)


def _run_fields(name: str, code: int) -> Fields:
    """The fields of a run's result: one that failed has the job's own exit code."""
    if not code:
        return {"job": name, "exit_code": code}
    from ftl.cli.failure import failed_fields
    from ftl.errors import FtlError

    error = FtlError(f"the job {name} ended with exit code {code}", hint=f"{ftl('jobs')} shows its last runs")
    return {"job": name, **failed_fields(error, code)}


def _show(options: Options, name: str, line: LogLine) -> None:
    if options.json:
        put_json(
            {"type": "job_output", "job": name, "stream": line.stream, "time": line.time, "text": line.text}
        )
        return
    from ftl.ui.log_lines import LogLines

    stream = sys.stdout if line.stream == "stdout" else sys.stderr
    with writing():
        LogLines(stream, timestamps=False, prefix=False).write(name, line.time, line.text)
        stream.flush()
