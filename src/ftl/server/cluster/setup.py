"""`ftl setup` for several servers: each is made ready, then they become one cluster."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather_all
from ftl.dataclass import dataclass
from ftl.errors import FtlError, ServerError, at
from ftl.events import Emit, Note, SetupPlanned, StepFailed, StepFinished, StepStarted, StepUndone
from ftl.host.session import open_session
from ftl.server.cluster.join import begin_anew, join, refresh, view
from ftl.server.cluster.members import Member, raise_all, refuse_unfit
from ftl.server.cluster.plan import plan
from ftl.server.setup.apply.executor import apply
from ftl.server.setup.observe.login import ObserveQuery, RootLogin, log_in
from ftl.server.setup.observe.public_keys import key_bodies, public_keys
from ftl.server.setup.plan.firewall import peers
from ftl.server.setup.plan.guarded import ApplyFirewall
from ftl.server.setup.plan.planner import SetupPlan, make_plan
from ftl.server.setup.setup import RootAccess, request_for
from ftl.ssh.configuration import resolve
from ftl.ssh.machine import machine_of
from ftl.ssh.multiplexing.kept import retire_server
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ftl.config.models.project import ClusterServer, Project
    from ftl.events import Event
    from ftl.host.session import Session
    from ftl.server.cluster.steps import ClusterStep
    from ftl.server.setup.observe.state import ObservedServer
    from ftl.server.setup.request import SetupRequest
    from ftl.ssh.target import Resolved, Target


@dataclass(frozen=True, slots=True)
class ClusterSetup:
    """The plans that were applied, or would be: one for each server, and the cluster's steps."""

    servers: tuple[SetupPlan, ...]
    steps: tuple[ClusterStep, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was missing."""
        return any(server.steps for server in self.servers) or bool(self.steps)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A server before the login: its address for the others, and the user who deploys."""

    server: ClusterServer
    target: Target
    resolved: Resolved
    user: str
    address: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Server:
    """A server after the login, with its plan.

    Attributes:
        closing: The firewall without the servers that are no longer in the file. It is applied when they have left:
            until then their packets must pass, or the requests that they work on are lost.
    """

    prepared: _Prepared
    login: RootLogin
    plan: SetupPlan
    closing: SetupPlan | None

    @property
    def member(self) -> Member:
        """What is known of it as a part of the cluster."""
        given = self.prepared
        return Member(given.server.host, given.address, given.server.roles, self.login.observed.cluster)


async def setup_cluster(
    project: Project,
    request: SetupRequest,
    access: RootAccess,
    *,
    dry_run: bool = False,
    recover: bool = False,
    emit: Emit,
) -> ClusterSetup:
    """Make several servers ready for deploys, and one cluster of them.

    Nothing is changed anywhere before every server has let us in and can take part.

    Args:
        project: Its servers are set up; nothing is deployed.
        request: The options; what depends on the server is filled in here.
        access: How to log in and become root.
        dry_run: Stop after planning.
        recover: Begin the cluster anew from one manager, where the majority of them is lost.
        emit: Receives the plans, their notes and the progress.

    Raises:
        ServerError: A server cannot be reached, or root access is not possible.
        FtlError: The servers cannot be one cluster, or a step failed.
    """
    prepared = await gather(_prepare(server) for server in project.servers)
    failed: FtlError | None = None
    async with AsyncExitStack() as stack:
        servers = await _log_in_all(project, request, access, prepared, stack, recover=recover, emit=emit)
        try:
            return await _set_up(project, servers, dry_run=dry_run, recover=recover, emit=emit)
        except FtlError as error:
            failed = error  # raised outside: a login that ends with it would name its own server as the place
    raise failed


async def _set_up(
    project: Project, servers: Sequence[_Server], *, dry_run: bool, recover: bool, emit: Emit
) -> ClusterSetup:
    """Make the servers ready, and one cluster of them; all have let us in."""
    refuse_unfit([server.member for server in servers])
    for server in servers:
        made = server.plan
        emit(SetupPlanned(made.server, made.system, tuple(step.text for step in made.steps)))
        for note in made.notes:
            emit(Note(f"{made.server}: {note}", "warning"))
    if dry_run:
        return ClusterSetup(tuple(server.plan for server in servers), await _dry(project, servers))
    await gather_all(_make_ready(server, server.plan, emit) for server in servers)
    async with _sessions(servers) as sessions:
        members = await _refreshed(servers, sessions)
        refuse_unfit(members)
        if recover:
            await begin_anew(members, sessions, emit)
            members = await _refreshed(servers, sessions)
        steps = await join(project.name, members, sessions, emit)
    await gather_all(
        _make_ready(server, server.closing, emit) for server in servers if server.closing is not None
    )
    plans = (
        replace(server.plan, steps=(*server.plan.steps, *(server.closing.steps if server.closing else ())))
        for server in servers
    )
    return ClusterSetup(tuple(plans), steps)


# --- preparing, logging in, making ready


async def _prepare(server: ClusterServer) -> _Prepared:
    target = target_of(server)
    resolved = await resolve(target)
    user = server.user or resolved.user
    address = server.private_address or await _address(server.host, resolved.hostname)
    return _Prepared(server, target, resolved, user, address, await public_keys(server, resolved))


async def _address(host: str, name: str) -> str:
    """The address that a name leads to; IPv4 where it has both.

    Raises:
        ServerError: It leads to none.
    """
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ServerError(
            f"{host} has no address", cause=str(error), hint="check its name, or write its address"
        ) from None
    ordered = sorted(found, key=lambda item: item[0] != socket.AF_INET)
    return str(ordered[0][4][0])


async def _log_in_all(
    project: Project,
    request: SetupRequest,
    access: RootAccess,
    prepared: Sequence[_Prepared],
    stack: AsyncExitStack,
    *,
    recover: bool,
    emit: Emit,
) -> list[_Server]:
    """Log in to all servers side by side, and plan for each.

    Raises:
        FtlError: Some cannot be reached or set up; all of them are named.
    """
    addresses = {each.server.host: each.address for each in prepared}
    asking = asyncio.Lock()

    async def ask(question: str) -> str | None:
        async with asking:
            return await access.ask(question)

    async def one(given: _Prepared) -> _Server:
        host = given.server.host
        own = replace(
            request_for(project, request, given.keys),
            cluster=project.name,
            peers=tuple(address for other, address in addresses.items() if other != host),
        )
        query = ObserveQuery(given.user, key_bodies(given.keys))
        with at(server=host):
            login = await stack.enter_async_context(
                log_in(
                    given.target,
                    query,
                    login=access.login,
                    password=access.password,
                    ask=ask,
                    emit=_named(host, emit),
                )
            )
            return _Server(given, login, *plans_of(host, own, login.observed))

    results = await asyncio.gather(*map(one, prepared), return_exceptions=True)
    errors = [result for result in results if isinstance(result, FtlError)]
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, FtlError):
            raise result
    servers = [result for result in results if isinstance(result, _Server)]
    if recover and servers:
        for error in errors:
            emit(Note(f"recovering without a server: {error.message}", "warning"))
    else:
        raise_all(errors)
    return servers


def plans_of(
    host: str, request: SetupRequest, observed: ObservedServer
) -> tuple[SetupPlan, SetupPlan | None]:
    """The plan of what is missing on a server, and that of what is closed at the end. Pure.

    Servers that are no longer in the file are let through the firewall until they have left the cluster.
    """
    earlier = [address for address, project in peers(observed.firewall.conf) if project == request.cluster]
    left = tuple(address for address in earlier if address not in request.peers)
    wider = replace(request, peers=(*request.peers, *left))
    closing = None
    if left:
        complete = make_plan(request, observed, server=host)
        closing = replace(
            complete,
            steps=tuple(step for step in complete.steps if isinstance(step, ApplyFirewall)),
            notes=(),
        )
    return make_plan(wider, observed, server=host), closing


async def _make_ready(server: _Server, plan: SetupPlan, emit: Emit) -> None:
    given = server.prepared
    deployer = replace(given.target, user=given.user)
    with at(server=given.server.host):
        await apply(plan, server.login, deployer, emit=_named(given.server.host, emit))
        await retire_server(given.resolved, os.environ)  # a login keeps the groups that it began with


def _named(host: str, emit: Emit) -> Emit:
    """Report with the server's name in front: several are at work side by side."""

    def named(event: Event) -> None:
        match event:
            case StepStarted() | StepFinished() | StepFailed() | StepUndone() | Note():
                emit(replace(event, text=f"{host}: {event.text}"))
            case _:
                emit(event)

    return named


# --- the cluster


@asynccontextmanager
async def _sessions(servers: Sequence[_Server]) -> AsyncIterator[dict[str, Session]]:
    """Sessions of the deploy user on all servers, by host."""
    async with AsyncExitStack() as stack:
        machines = [
            machine_of(replace(each.prepared.server, user=each.prepared.user), keep=False) for each in servers
        ]
        opened = await gather(stack.enter_async_context(open_session(machine)) for machine in machines)
        hosts = [each.prepared.server.host for each in servers]
        yield dict(zip(hosts, opened, strict=True))


async def _refreshed(servers: Sequence[_Server], sessions: Mapping[str, Session]) -> list[Member]:
    """The servers as their engines describe them now: some have just been installed."""
    return await gather(refresh(server.member, sessions[server.prepared.server.host]) for server in servers)


async def _dry(project: Project, servers: Sequence[_Server]) -> tuple[ClusterStep, ...]:
    """The cluster's steps, without a change; where there is a cluster, its managers are asked."""
    members = [server.member for server in servers]
    if not any(member.swarm.is_member for member in members):
        return plan(project.name, members, (), has_network=False)
    async with _sessions([server for server in servers if server.member.swarm.is_member]) as sessions:
        lead, nodes, has_network = await view(project.name, members, sessions)
        return (
            plan(project.name, members, nodes, has_network=has_network)
            if lead
            else plan(project.name, members, (), has_network=False)
        )
