"""Secrets in logs: masked by the release records, which the managers of a cluster have."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.releases.pruned import read_kept_records

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from ftl.config.models.project import Project
    from ftl.engine.api import Engine
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session


async def mask_secrets(engine: Engine, project: str) -> bool:
    """Redact the secrets of a project's releases from now on in all that is printed.

    Where the container of the store was pruned, it is created again: the records are in its volume. Returns whether the
    server's records could be read.
    """
    return await read_kept_records(engine, project) is not None


async def mask_secrets_by_a_manager(
    connect: Iterable[Callable[[], AbstractAsyncContextManager[Session]]],
    project: str,
    warn: Callable[[str], None],
) -> None:
    """Redact them by the records of a cluster's first manager that has some.

    The servers are connected to one after the other, and none after that manager. `warn` as below.
    """
    why = "no manager of the cluster answers"
    for each in connect:
        try:
            async with each() as session:
                if not session.info.is_manager:
                    continue
                if await mask_secrets(session.engine, project):
                    return
                why = f"{session.name} has no release records"
        except FtlError as error:
            why = error.message
    warn(f"secrets are not masked: {why}")


async def mask_secrets_of_servers(fleet: Fleet, project: Project, warn: Callable[[str], None]) -> None:
    """Redact the secrets of a project on one server, or on all of its cluster."""
    if project.servers:
        await mask_secrets_of_cluster(fleet, project.name, warn)
    else:
        await mask_secrets(fleet.first.engine, project.name)


async def mask_secrets_of_cluster(
    fleet: Fleet,
    project: str,
    warn: Callable[[str], None],
    *,
    otherwise: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Redact them by the records of a cluster's managers, whichever server's logs are read.

    `warn` gets a sentence where no manager has records. A fleet that is a part of the cluster may have no manager; then
    the secrets are redacted by what is called `otherwise`.
    """
    managers = [session for session in fleet if session.info.is_manager]
    if not managers and otherwise is not None:
        await otherwise()
        return

    def opened(session: Session) -> Callable[[], AbstractAsyncContextManager[Session]]:
        return lambda: nullcontext(session)

    by_rank = sorted(managers, key=lambda each: each is not fleet.first)
    await mask_secrets_by_a_manager(map(opened, by_rank), project, warn)
