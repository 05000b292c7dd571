"""`ftl setup` for several servers: each is made ready, then they become one cluster."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ftl.aio import gather, gather_all
from ftl.dataclass import dataclass
from ftl.errors import FtlError, at
from ftl.events import Emit, Note, SetupPlanned
from ftl.execution.stages import steps_of
from ftl.host.session import open_session
from ftl.server.cluster.candidates import CandidateServer, log_in_all, named_emit, prepare
from ftl.server.cluster.join import SwarmView, begin_anew, join, progress_of, refresh, view
from ftl.server.cluster.members import Member, refuse_unfit
from ftl.server.cluster.plan import plan_recovery
from ftl.server.setup.apply.executor import apply
from ftl.ssh.machine import machine_of
from ftl.ssh.multiplexing.kept import retire_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.config.models.project import Project
    from ftl.host.session import Session
    from ftl.server.cluster.candidates import PreparedServer
    from ftl.server.cluster.steps import ClusterStep
    from ftl.server.setup.plan.planner import SetupPlan
    from ftl.server.setup.request import SetupRequest
    from ftl.server.setup.setup import RootAccess


@dataclass(frozen=True, slots=True)
class ClusterSetupResult:
    """The plans that were applied, or would be: one for each server, and the cluster's steps."""

    servers: tuple[SetupPlan, ...]
    steps: tuple[ClusterStep, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was missing."""
        return any(server.steps for server in self.servers) or bool(self.steps)


async def setup_cluster(
    project: Project,
    request: SetupRequest,
    access: RootAccess,
    *,
    dry_run: bool = False,
    recover: bool = False,
    emit: Emit,
) -> ClusterSetupResult:
    """Make several servers ready for deploys, and one cluster of them.

    Nothing is changed anywhere before every server has let us in and can take part. What depends on the server is
    filled in here. `recover` rebuilds the cluster from one manager, where the majority of them is lost; `dry_run` stops
    after planning.

    Raises:
        ServerError: A server cannot be reached, or root access is not possible.
        FtlError: The servers cannot be one cluster, or a step failed.
    """
    prepared = await gather(prepare(server) for server in project.servers)
    failed: FtlError | None = None
    async with AsyncExitStack() as stack:
        servers = await log_in_all(project, request, access, prepared, stack, recover=recover, emit=emit)
        try:
            return await _set_up(project, servers, dry_run=dry_run, recover=recover, emit=emit)
        except FtlError as error:
            failed = error  # raised outside: a login that ends with it would name its own server as the place
    raise failed


async def _set_up(
    project: Project, servers: Sequence[CandidateServer], *, dry_run: bool, recover: bool, emit: Emit
) -> ClusterSetupResult:
    """Make the servers ready, and one cluster of them; all have let us in."""
    refuse_unfit([server.member for server in servers])
    for server in servers:
        made = server.plan
        emit(SetupPlanned(made.server, made.system, tuple(step.text for step in made.steps)))
        for note in made.notes:
            emit(Note(f"{made.server}: {note}", "warning"))
    if dry_run:
        steps = await _dry(project, servers, recover=recover, emit=emit)
        return ClusterSetupResult(tuple(server.plan for server in servers), steps)
    await gather_all(_make_ready(server, server.plan, emit) for server in servers)
    async with _sessions(servers) as sessions:
        members = await _refreshed(servers, sessions)
        refuse_unfit(members)
        connect_former = partial(_connect_former, servers[0].prepared)
        recovery: tuple[ClusterStep, ...] = ()
        if recover:
            recovery = await begin_anew(project.name, members, sessions, emit, connect_former)
            members = await _refreshed(servers, sessions)
        steps = (*recovery, *await join(project.name, members, sessions, emit, connect_former))
    await gather_all(
        _make_ready(server, server.closing, emit) for server in servers if server.closing is not None
    )
    plans = (
        replace(server.plan, steps=(*server.plan.steps, *(server.closing.steps if server.closing else ())))
        for server in servers
    )
    return ClusterSetupResult(tuple(plans), steps)


async def _make_ready(server: CandidateServer, plan: SetupPlan, emit: Emit) -> None:
    given = server.prepared
    deployer = replace(given.target, user=given.user)
    with at(server=given.server.host):
        await apply(plan, server.login, deployer, emit=named_emit(given.server.host, emit))
        await retire_server(given.resolved, os.environ)  # a login keeps the groups that it began with


@asynccontextmanager
async def _sessions(servers: Sequence[CandidateServer]) -> AsyncIterator[dict[str, Session]]:
    """Sessions of the deploy user on all servers, by host."""
    async with AsyncExitStack() as stack:
        machines = [
            machine_of(replace(each.prepared.server, user=each.prepared.user), keep=False) for each in servers
        ]
        opened = await gather(stack.enter_async_context(open_session(machine)) for machine in machines)
        hosts = [each.prepared.server.host for each in servers]
        yield dict(zip(hosts, opened, strict=True))


def _connect_former(like: PreparedServer, host: str) -> AbstractAsyncContextManager[Session]:
    """Connect to a server that is no longer in the file, as to one that is."""
    return open_session(machine_of(replace(like.server, user=like.user, host=host), keep=False))


async def _refreshed(servers: Sequence[CandidateServer], sessions: Mapping[str, Session]) -> list[Member]:
    """The servers as their engines describe them now: some have just been installed."""
    return await gather(refresh(server.member, sessions[server.prepared.server.host]) for server in servers)


async def _dry(
    project: Project, servers: Sequence[CandidateServer], *, recover: bool, emit: Emit
) -> tuple[ClusterStep, ...]:
    """The cluster's steps, without a change; where there is a cluster, its managers are asked."""
    members = [server.member for server in servers]
    if recover:
        managers = [server for server in servers if server.member.swarm.is_manager]
        progress = {}
        if len(managers) > 1:
            async with _sessions(managers) as sessions:
                progress = await progress_of(project.name, [each.member for each in managers], sessions)
        steps = steps_of(plan_recovery(members, progress))
        emit(Note("what joins the cluster again is planned when it has been rebuilt"))
        return steps
    found = SwarmView()
    if any(member.swarm.is_member for member in members):
        async with _sessions([server for server in servers if server.member.swarm.is_member]) as sessions:
            found = await view(project.name, members, sessions)
    return steps_of(found.plan(project.name, members))
