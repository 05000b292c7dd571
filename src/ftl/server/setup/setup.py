"""`ftl setup`: observe a server, plan the missing steps, apply the plan."""

from __future__ import annotations

import os
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.errors import UsageError, at
from ftl.events import Emit, Note, SetupPlanned
from ftl.image.registry.names import insecure_registries
from ftl.server.setup.apply.executor import apply
from ftl.server.setup.observe.login import AskPassword, ObserveQuery, log_in
from ftl.server.setup.observe.public_keys import key_bodies, public_keys
from ftl.server.setup.plan.planner import SetupPlan, make_plan
from ftl.ssh.configuration import resolve
from ftl.ssh.multiplexing.kept import retire_server
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.server.setup.request import SetupRequest


@dataclass(frozen=True, slots=True)
class RootAccess:
    """Login as this user only; None: as the deploy user, else as root.

    The password is for sudo; empty if none was given beforehand.
    """

    login: str | None
    password: str = field(repr=False)
    ask: AskPassword


async def setup(
    project: Project, request: SetupRequest, access: RootAccess, *, dry_run: bool = False, emit: Emit
) -> SetupPlan:
    """Make a server ready for deploys; the plan that was applied, or would be.

    The request's keys, forwards and insecure registries are filled in here. Nothing is deployed; `dry_run` stops after
    planning.

    Raises:
        UsageError: The server is this machine, or there is no key to authorise.
        ServerError: The server cannot be reached, or root access is not possible.
        FtlError: The system is not supported, or a step failed.
    """
    server = project.server
    if server.is_local:
        raise UsageError(
            "`ftl setup` prepares a server that is reached over SSH, and `local` is this machine",
            hint="name the server in `server.host`, or with `--server HOST`",
        )
    target = target_of(server)
    resolved = await resolve(target)
    user = server.user or resolved.user
    request = request_for(project, request, await public_keys(server, resolved))
    query = ObserveQuery(user, key_bodies(request.keys))
    with at(server=server.host):
        async with log_in(
            target, query, login=access.login, password=access.password, ask=access.ask, emit=emit
        ) as login:
            plan = make_plan(request, login.observed, server=server.host)
            emit(SetupPlanned(plan.server, plan.system, tuple(step.text for step in plan.steps)))
            for note in plan.notes:
                emit(Note(note, "warning"))
            if not dry_run:
                await apply(plan, login, replace(target, user=user), emit=emit)
                await retire_server(resolved, os.environ)  # a login keeps the groups that it began with
    return plan


def request_for(project: Project, request: SetupRequest, keys: tuple[str, ...]) -> SetupRequest:
    """The options, and keys, ports and registries of ftl.yaml."""
    return replace(
        request,
        keys=keys,
        # The ports of the server that ftl.yaml publishes past the proxy.
        forwards=tuple(
            (port.host_port, port.protocol) for each in project.services for port in each.published
        ),
        insecure=insecure_registries(project),
    )
