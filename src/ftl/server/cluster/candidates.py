"""Servers that are to become one cluster: their addresses, the logins, and a plan for each."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import FtlError, ServerError, at
from ftl.events import Emit, Note, StepFailed, StepFinished, StepStarted, StepUndone
from ftl.server.cluster.members import Member, raise_all
from ftl.server.setup.observe.login import ObserveQuery, RootLogin, log_in
from ftl.server.setup.observe.public_keys import key_bodies, public_keys
from ftl.server.setup.plan.firewall import peers
from ftl.server.setup.plan.guarded import ApplyFirewall, CloseToPeersInUfw
from ftl.server.setup.plan.planner import SetupPlan, make_plan
from ftl.server.setup.setup import RootAccess, request_for
from ftl.ssh.configuration import resolve
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AsyncExitStack

    from ftl.config.models.project import ClusterServer, Project
    from ftl.events import Event
    from ftl.server.setup.observe.state import ObservedServer
    from ftl.server.setup.request import SetupRequest
    from ftl.ssh.target import Resolved, Target


@dataclass(frozen=True, slots=True)
class PreparedServer:
    """A server before the login: its address for the others, and the user who deploys."""

    server: ClusterServer
    target: Target
    resolved: Resolved
    user: str
    address: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CandidateServer:
    """A server after the login, with its plan.

    `closing` is the firewall without the servers that are no longer in the file. It is applied when they have left:
    until then their packets must pass, or the requests that they work on are lost.
    """

    prepared: PreparedServer
    login: RootLogin
    plan: SetupPlan
    closing: SetupPlan | None

    @property
    def member(self) -> Member:
        """The server as a part of the cluster."""
        given = self.prepared
        return Member(given.server.host, given.address, given.server.roles, self.login.observed.cluster)


async def prepare(server: ClusterServer) -> PreparedServer:
    """A server as it is known before the login.

    Raises:
        ServerError: Its name leads to no address.
    """
    target = target_of(server)
    resolved = await resolve(target)
    user = server.user or resolved.user
    address = server.private_address or await _address(server.host, resolved.hostname)
    return PreparedServer(server, target, resolved, user, address, await public_keys(server, resolved))


async def _address(server: str, name: str) -> str:
    """The address that a name leads to; IPv4 where it has both."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ServerError(
            f"{server} has no address", cause=str(error), hint="check its name, or write its address"
        ) from None
    ordered = sorted(found, key=lambda item: item[0] != socket.AF_INET)
    return str(ordered[0][4][0])


async def log_in_all(
    project: Project,
    request: SetupRequest,
    access: RootAccess,
    prepared: Sequence[PreparedServer],
    stack: AsyncExitStack,
    *,
    recover: bool,
    emit: Emit,
) -> list[CandidateServer]:
    """Log in to all servers side by side, and plan for each.

    Raises:
        FtlError: Some cannot be reached or set up; all of them are named.
    """
    addresses = {each.server.host: each.address for each in prepared}
    asking = asyncio.Lock()

    async def ask(question: str) -> str | None:
        async with asking:
            return await access.ask(question)

    async def one(given: PreparedServer) -> CandidateServer:
        server = given.server.host
        own = replace(
            request_for(project, request, given.keys),
            cluster=project.name,
            peers=tuple(address for other, address in addresses.items() if other != server),
        )
        query = ObserveQuery(given.user, key_bodies(given.keys))
        with at(server=server):
            login = await stack.enter_async_context(
                log_in(
                    given.target,
                    query,
                    login=access.login,
                    password=access.password,
                    ask=ask,
                    emit=named_emit(server, emit),
                )
            )
            return CandidateServer(given, login, *plans_of(server, own, login.observed))

    results = await asyncio.gather(*map(one, prepared), return_exceptions=True)
    errors = [result for result in results if isinstance(result, FtlError)]
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, FtlError):
            raise result
    servers = [result for result in results if isinstance(result, CandidateServer)]
    if recover and servers:
        for error in errors:
            emit(Note(f"recovering without one server: {error.message}", "warning"))
    else:
        raise_all(errors)
    return servers


def plans_of(
    server: str, request: SetupRequest, observed: ObservedServer
) -> tuple[SetupPlan, SetupPlan | None]:
    """The plan that sets up a server, and the one that closes ports to former servers. Pure.

    Servers that are no longer in the file are let through the firewall until they have left the cluster.
    """
    earlier = [address for address, project in peers(observed.firewall.conf) if project == request.cluster]
    left = tuple(address for address in earlier if address not in request.peers)
    wider = replace(request, peers=(*request.peers, *left))
    closing = None
    if left:
        complete = make_plan(request, observed, server=server)
        closing = replace(
            complete,
            steps=tuple(
                step for step in complete.steps if isinstance(step, ApplyFirewall | CloseToPeersInUfw)
            ),
            notes=(),
        )
    return make_plan(wider, observed, server=server), closing


def named_emit(server: str, emit: Emit) -> Emit:
    """Report with the server's name in front: several are at work side by side."""

    def named(event: Event) -> None:
        match event:
            case StepStarted() | StepFinished() | StepFailed() | StepUndone() | Note():
                emit(replace(event, text=f"{server}: {event.text}"))
            case _:
                emit(event)

    return named
