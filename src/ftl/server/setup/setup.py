"""`ftl setup`: look at a server, compare, and do what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ftl.errors import UsageError, at
from ftl.events import Emit, Note, SetupPlanned
from ftl.image.registry.names import insecure_registries
from ftl.server.setup.apply.executor import apply
from ftl.server.setup.observe.login import AskPassword, ObserveQuery, log_in
from ftl.server.setup.observe.public_keys import bodies, public_keys
from ftl.server.setup.plan.planner import SetupPlan, make_plan
from ftl.ssh.configuration import resolve
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from ftl.config import Project
    from ftl.server.setup.request import SetupRequest


@dataclass(frozen=True, slots=True)
class RootAccess:
    """How to get in, and become root there.

    Attributes:
        login: Log in as this user alone; None: as the one who deploys, else as root.
        password: For sudo; empty if none was given beforehand.
        ask: Where to get one.
    """

    login: str | None
    password: str = field(repr=False)
    ask: AskPassword


async def setup(
    project: Project, wanted: SetupRequest, access: RootAccess, *, dry_run: bool = False, emit: Emit
) -> SetupPlan:
    """Make a server ready for deploys.

    Args:
        project: Its server is set up; nothing of it is deployed.
        wanted: What beyond the usual is asked for; the keys and the forwards are found here.
        access: How to get in.
        dry_run: Stop once it is known what would be done.
        emit: Hears what is planned and done.

    Returns:
        What was done, or would be; no steps: nothing was missing.

    Raises:
        UsageError: There is nothing that could be set up, or no key to let in.
        ServerError: The server cannot be reached, or nobody becomes root there.
        FtlError: It is none that we know how to set up, or a step failed.
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
    wanted = replace(
        wanted,
        keys=await public_keys(server, resolved),
        forwards=tuple(_forwards(project)),
        insecure=insecure_registries(project),
    )
    question = ObserveQuery(user, bodies(wanted.keys))
    with at(server=server.host):
        async with log_in(
            target, question, login=access.login, password=access.password, ask=access.ask, emit=emit
        ) as login:
            plan = make_plan(wanted, login.observed, server=server.host)
            emit(SetupPlanned(plan.server, plan.system, tuple(step.text for step in plan.steps)))
            for note in plan.notes:
                emit(Note(note, "warning"))
            if not dry_run:
                await apply(plan, login, replace(target, user=user), emit=emit)
    return plan


def _forwards(project: Project) -> list[tuple[int, str]]:
    """The ports of the server that ftl.yaml opens past the proxy."""
    return [(one.host_port, one.protocol) for service in project.services for one in service.published]
