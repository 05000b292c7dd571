"""Prune: removal of leftovers of deploys, on the server and on this machine."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.operation import Operation, authored_session, dry_run, run
from ftl.deploy.plan.cleanup import refs
from ftl.deploy.plan.leftovers import leftovers
from ftl.deploy.plan.model import Plan, Stage, compact
from ftl.deploy.plan.recorded import live_project
from ftl.deploy.plan.steps import AmendRecords, DropTags, RemoveImages, RemoveNetworks, StopAndRemove
from ftl.engine import labels
from ftl.engine.local import local_url
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.leftovers import Leftovers
    from ftl.engine.api import Engine
    from ftl.engine.values import Image
    from ftl.events import Emit
    from ftl.operations.changes.live import LiveRequest
    from ftl.ssh.machine import Machine

USAGE_SECONDS = 30.0
"""Limit for summing up disk usage; without an answer, what was freed is not known."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Result of a prune.

    Attributes:
        found: What there was to remove.
        bytes_freed: Bytes of images that the server has less now; 0 where it does not say.
        bytes_freed_here: The same for this machine.
    """

    plan: Plan
    found: Leftovers
    bytes_freed: int = 0
    bytes_freed_here: int = 0


async def prune(request: LiveRequest, machine: Machine, *, emit: Emit, dry: bool = False) -> Pruned:
    """Remove leftovers of a project; with `dry` only list them.

    Raises:
        UsageError: Nothing is deployed.
        ServerError, LockHeld, EngineError.
    """
    from ftl.engine.api import Engine

    here = [] if request.server.is_local else await images_here(request.project)
    async with (
        authored_session(machine, request.project, request.root) as (session, observed, by),
        Engine(local_url(), name="this machine") as local,
    ):
        _, project = live_project(observed, request.server)
        keep = project.keep_releases
        operation = Operation(
            command="prune",
            project=project,
            root=request.root,
            by=by.name,
            plan=lambda server: plan_prune(server, here, keep=keep),
            lock_wait=request.lock_wait,
        )
        found = leftovers(observed, here, keep=keep)
        if dry:
            return Pruned(await dry_run(operation, session, observed), found)
        before, before_here = await _usage(session.engine), await _usage(local)
        applied = await run(operation, session, observed, emit=emit)
        after, after_here = await _usage(session.engine), await _usage(local)
    freed_here = 0 if request.server.is_local else max(0, before_here - after_here)
    return Pruned(applied.plan, found, max(0, before - after), freed_here)


def plan_prune(observed: Observed, here: Sequence[Image], *, keep: int) -> Plan:
    """Plan the removal of leftovers. Pure.

    Args:
        observed: The server.
        here: The project's images on this machine.
        keep: Number of live releases whose images stay.
    """
    found = leftovers(observed, here, keep=keep)
    containers = (StopAndRemove("containers", refs(found.containers), 10.0, "left over"),)
    stages = (
        Stage("containers", (containers,) if found.containers else ()),
        Stage("networks", ((RemoveNetworks(found.networks),),) if found.networks else ()),
        Stage(
            "images",
            (
                (DropTags(found.tags),) if found.tags else (),
                (RemoveImages(found.images),) if found.images else (),
                (RemoveImages(found.images_here, here=True),) if found.images_here else (),
                (AmendRecords(observed.project, found.records, "no longer kept for a rollback"),)
                if found.records
                else (),
            ),
        ),
    )
    return Plan(
        observed.server,
        observed.project,
        f"r{observed.live_number}",
        (),
        compact(stages),
    )


async def images_here(project: str) -> list[Image]:
    """The project's images on this machine; none where it has no engine."""
    from ftl.engine.api import Engine

    with suppress(FtlError):  # no engine here
        async with Engine(local_url(), name="this machine") as engine:
            return await engine.images(labels={labels.PROJECT: project})
    return []


async def _usage(engine: Engine) -> int:
    with suppress(FtlError, TimeoutError):
        return (await engine.usage(seconds=USAGE_SECONDS)).layers
    return 0
