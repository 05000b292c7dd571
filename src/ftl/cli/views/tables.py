"""Tables and their cells, as several commands print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.cli.output import put_table
from ftl.common.figures import age, ago, count, duration, seconds_since, size
from ftl.common.next_step import ftl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ftl.deploy.result import ServiceResult
    from ftl.host.jobs import JobState
    from ftl.operations.views.servers import ServerStatus
    from ftl.operations.views.units import Unit


_JOBS = ("JOB", "SERVICE", "SCHEDULE", "NEXT", "LAST")
_OPTIONAL = ("SERVICE", "SCHEDULE")


def put_jobs(jobs: Iterable[JobState], now: datetime) -> None:
    """Print jobs with their next and last run and problems; `now` by the server's clock."""
    put_table(_JOBS, [_job(job, now) for job in jobs], optional=_OPTIONAL, sentences=("LAST",))


def _job(job: JobState, now: datetime) -> tuple[str, ...]:
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


SERVERS = ("SERVER", "STATE", "PROXY", "RUNNING", "MANAGER")


def put_servers(servers: Sequence[ServerStatus]) -> None:
    """Print the table."""
    put_table(SERVERS, server_rows(servers))


def server_rows(servers: Sequence[ServerStatus]) -> list[tuple[str, ...]]:
    """Rows of the table below SERVERS."""
    return [_server(server) for server in servers]


def _server(server: ServerStatus) -> tuple[str, ...]:
    proxy = f"out of date: run {ftl('deploy')}" if server.proxy == "behind" else server.proxy or "-"
    state = "down: cut off from the others" if server.cut_off else server.state
    return server.host, state, proxy, str(server.tasks), "yes" if server.manager else "-"


def unit_cells(unit: Unit, now: datetime) -> tuple[str, str, str, str, str]:
    """Name, release, replicas, health and age of a unit of the status."""
    health = f"{unit.health}, not live" if unit.release and not unit.live else unit.health
    return unit.name, unit.release or "-", unit.replicas, health, age_since(unit.since, now=now)


def age_since(timestamp: str, *, now: datetime) -> str:
    """Age of an engine's timestamp; "-" where there is none."""
    return age(seconds_since(timestamp, now)) if timestamp else "-"


def transfer_cells(result: ServiceResult) -> tuple[str, str]:
    """Layers of an image that were sent, and those that the server had already."""
    sent = f"{count(result.layers_sent, 'layer')}, {size(result.bytes_sent)}" if result.layers_sent else "-"
    if result.bytes_saved:
        sent += f" instead of {size(result.bytes_sent + result.bytes_saved)}"
    return sent, count(result.layers_reused, "layer") if result.layers_reused else "-"


def maintenance_text() -> str:
    """One line: visitors do not reach the live release."""
    return f"in maintenance: visitors get 503 until {ftl('maintenance off')}"
