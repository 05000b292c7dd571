"""`ftl status`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from ftl.cli.expected import load_expected
from ftl.cli.output import put, put_table
from ftl.cli.project import load_target, project_option
from ftl.cli.running.run import pass_options, run
from ftl.cli.views.tables import maintenance_text, put_jobs, put_servers, unit_cells
from ftl.common.next_step import ftl

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ftl.cli.expected import Expected
    from ftl.cli.options import Options
    from ftl.config.models.project import Project
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.operations.views.status import LiveRelease, Status, StatusFacts, WatchStatus
    from ftl.operations.views.status_stream import StatusSample
    from ftl.operations.views.units import Unit
    from ftl.ssh.machine import Machine

HEADER = ("SERVICE", "RELEASE", "REPLICAS", "IMAGE", "HEALTH", "SINCE", "PORTS")
OPTIONAL = ("PORTS", "IMAGE", "SINCE", "RELEASE")
"""Columns that a narrow terminal does not show, the least important first."""


@click.command()
@click.option("--watch", is_flag=True, help="Refresh every two seconds, with CPU and memory, until Ctrl-C.")
@project_option
@pass_options
def command(options: Options, watch: bool, project: str | None) -> None:
    """Show what runs on the server.

    One row for each service, each dependency, the proxy and each command of `ftl run`: the number of running replicas,
    their image, and the result of their health check. Containers of a release that is not live (a deploy is in
    progress, or was interrupted) have a separate row. Then one row for each job, as in `ftl jobs`. Below stand the
    live release, who deployed it, and the project's addresses. A narrow terminal shows fewer columns; a pipe and
    --json get all. The exit code is 0 if the server answers, whatever the health.
    """
    from ftl.config.read.parts import UNITS

    target = load_target(options, project)
    expected = load_expected(options, target, UNITS)
    if watch:
        _watch(options, expected)
        return

    async def work(emit: Emit) -> tuple[Project, Status]:
        expected.note(emit)
        return await (_cluster_status if target.is_cluster else _server_status)(expected, emit)

    found, result = run(options, "status", work, lambda seen: seen[1].fields())
    if not options.json:
        address = target.address
        by_name = (f"by host name: {line}" for line in address.host_requests(found))
        _print(result, (*address.urls(found, result), *by_name), expected.source)


async def _server_status(expected: Expected, emit: Emit) -> tuple[Project, Status]:
    import asyncio

    from ftl.host.session import Prefetch, open_session

    machine = expected.target.address.machine(project=expected.target.project)
    opened = asyncio.Event()
    ahead = Prefetch(
        lambda engine: _look(expected, engine, machine, opened), ("ftl.operations.views.status",)
    )
    async with open_session(machine, ahead=ahead) as session:
        opened.set()
        from ftl.host.fleet import Fleet
        from ftl.operations.views.status import status

        project, facts = await ahead.result(session.engine)
        found = await status(project, Fleet([session]), facts)
        await _note_pruned(found, session, emit)
        return project, found


async def _cluster_status(expected: Expected, emit: Emit) -> tuple[Project, Status]:
    from ftl.operations.views.status import gather_cluster_status, status

    address = expected.target.address
    observer = address.observer
    async with observer.connect(address.machines(project=expected.target.project), emit) as fleet:
        project = await expected.on(fleet.first.engine)
        found = await status(project, fleet, await gather_cluster_status(project, fleet, observer.observe))
        await _note_pruned(found, fleet.first, emit)
        return project, found


async def _note_pruned(status: Status, session: Session, emit: Emit) -> None:
    """Say why no record names the live release, where one should."""
    if status.deployed and status.live is None:
        from ftl.releases.pruned import note_pruned

        await note_pruned(session.engine, session.name, emit)


async def _look(
    expected: Expected, engine: Engine, machine: Machine, opened: asyncio.Event
) -> tuple[Project, StatusFacts]:
    """Look at the server; modules for that are loaded while connections to the engine open."""
    from ftl.operations.views.status import gather_status

    project = await expected.on(engine)
    return project, await gather_status(project, engine, machine, opened=opened)


def _watch(options: Options, expected: Expected) -> None:
    """Show the status until Ctrl-C."""
    from ftl.cli.views.status_table import StatusTable, put_sample

    name, address = expected.target.project, expected.target.address
    connect_to = partial(address.connect, project=name)

    async def work(emit: Emit) -> None:
        from ftl.host.fleet import open_readable
        from ftl.operations.views.status_stream import follow_servers_status, follow_status

        expected.note(emit)
        project = expected.project
        if project is None:
            async with open_readable(address.readable(project=name), emit) as fleet:
                project = await expected.on(fleet.first.engine)

        async def follow(show: Callable[[StatusSample], None]) -> None:
            if expected.target.is_cluster:
                await follow_servers_status(project, connect_to, address.observer.observe, show, emit)
            else:
                await follow_status(project, connect_to, show, emit)

        if options.json:
            await follow(put_sample)
            return
        with StatusTable() as live:
            await follow(live.show)

    run(options, "status", work, lambda _: {})


def _print(status: Status, urls: Sequence[str], source: str) -> None:
    """Print the status as a table, with the live release."""
    from ftl.common.figures import utc_time

    if not status.deployed:
        put(f"{status.project} is not deployed on {status.server}; run {ftl('deploy')}")
        return
    now = utc_time(status.now)
    rows = [_row(unit, now) for unit in status.units]
    columns: tuple[str, ...] = HEADER
    if status.servers:
        columns = (*HEADER, "SERVER")
        rows = [(*row, unit.server or "-") for row, unit in zip(rows, status.units, strict=True)]
    put_table(columns, rows, optional=OPTIONAL, sentences=("HEALTH",))
    if status.jobs:
        put("")
        put_jobs(status.jobs, now)
        put("")
    if status.servers:
        put("")
        put_servers(status.servers)
        put("")
    for unit in status.units:
        if unit.is_scaled:
            numbers = f"{unit.running} running, {source} says {unit.wanted}"
            put(f"{unit.name}: {numbers}; {ftl('deploy')} goes by ftl.yaml")
    if status.lost:
        why = "somebody took the restart policy of its container (`docker update`)"
        if status.broke_off:
            why = f"a change broke off; {ftl('start')} or {ftl('deploy')} sets the restart policy again"
        put(f"a reboot would not start {', '.join(status.lost)}: {why}")
    if status.changing is not None:
        put(f"{status.project} {status.changing}")
    if status.live is not None:
        put(describe_live(status.live, now=now))
    if status.maintenance:
        put(maintenance_text())
    if status.watch is not None:
        put(describe_watch(status.watch, now=now))
    if status.hold is not None:
        put(f"deploys are on hold ({status.hold}) until {ftl('deploy --end-hold')}")
    for url in urls:
        put(url)


def describe_live(live: LiveRelease, *, now: datetime) -> str:
    """One line: "r12 went live 3 h ago, by ann@laptop, from 0123abc Fix the cart"."""
    from ftl.common.figures import ago, seconds_since

    text = f"{live.release} went live {ago(seconds_since(live.time, now))}"
    if live.by:
        text += f", by {live.by}"
    if live.commit:
        commit, dash, dirty = live.commit.partition("-")
        text += f", from {commit[:7]}{dash}{dirty}{f' {live.subject}' if live.subject else ''}"
    return text


def describe_watch(watch: WatchStatus, *, now: datetime) -> str:
    """One line: "watching r12 for another 3 min; the containers of r11 are kept"."""
    from datetime import datetime

    from ftl.common.figures import duration

    if watch.interrupted:
        return f"the watch of {watch.release} was interrupted: {ftl('deploy')} removes the containers of {watch.before}"
    left = max(0.0, (datetime.fromisoformat(watch.until) - now).total_seconds())
    return f"watching {watch.release} for another {duration(left)}; the containers of {watch.before} are kept"


def _row(unit: Unit, now: datetime) -> tuple[str, ...]:
    name, release, replicas, health, since = unit_cells(unit, now)
    return name, release, replicas, unit.image or "-", health, since, ", ".join(unit.ports) or "-"
