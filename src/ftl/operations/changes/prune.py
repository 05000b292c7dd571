"""Prune: removal of leftovers of deploys, on the server and on this machine."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.dataclass import dataclass
from ftl.deploy.opening import open_operation
from ftl.deploy.plan.leftovers import leftovers
from ftl.deploy.plan.model import Plan, Stage
from ftl.deploy.plan.records.recorded import live_project
from ftl.deploy.plan.steps.images import DropPulled, DropTags, PruneBuildCache, RemoveImages
from ftl.deploy.plan.steps.proxy import RemoveNetworks
from ftl.deploy.plan.steps.records import AmendRecords
from ftl.deploy.plan.tracks.cleanup import STOP_SECONDS, removal_tracks
from ftl.engine import labels
from ftl.engine.local import local_url
from ftl.errors import FtlError
from ftl.execution.stages import compact
from ftl.image.transfer.remote.capabilities import remove_unused_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.plan.leftovers import Leftovers
    from ftl.engine.api import Engine
    from ftl.engine.values import DiskUsage, Image
    from ftl.events import Emit
    from ftl.ssh.machine import Machine

USAGE_SECONDS = 30.0
"""Limit for summing up disk usage; without an answer, the freed space is not known."""


@dataclass(frozen=True, slots=True)
class PruneResult:
    """Result of a prune.

    Attributes:
        found: What was removed, or would be: also what another operation left while this waited for it.
        bytes_freed: Bytes of images that the servers have less now; None where one of them did not say.
        bytes_freed_here: The same for this machine, its build cache included.
        build_cache_here: Bytes of build cache on this machine that no build is using.
    """

    plan: Plan
    found: Leftovers
    bytes_freed: int | None = 0
    bytes_freed_here: int | None = 0
    build_cache_here: int = 0


async def prune(
    request: OperationRequest, machines: Sequence[Machine], *, build_cache: bool = False, emit: Emit
) -> PruneResult:
    """Remove leftovers of a project; a dry run only lists them.

    This machine's build cache belongs to all projects, and goes only if it is asked for.

    Raises:
        UsageError: Nothing is deployed.
        ServerError, LockTaken, EngineError.
    """
    from ftl.engine.api import Engine

    here = [] if request.server.is_local else await images_here(request.project)
    async with (
        open_operation(request, machines, emit) as prepared,
        Engine(local_url(), name="this machine") as local,
    ):
        _, project = live_project(prepared.observed, request.server)
        engines = [session.engine for session in prepared.fleet]
        measured = [] if request.dry_run else [*engines, local]
        before = [await _usage(engine) for engine in measured]
        applied = await prepared.run(
            project,
            lambda server: plan_prune(
                server, here, keep=_kept_number(server, request), build_cache=build_cache
            ),
            emit=emit,
        )
        after = [await _usage(engine) for engine in measured]
        if not request.dry_run:  # also those of images that others removed
            await gather(remove_unused_layers(session.machine) for session in prepared.fleet)
    found = leftovers(applied.observed, here, keep=_kept_number(applied.observed, request))
    if request.dry_run:
        return PruneResult(applied.plan, found)
    there = [_freed(was, now) for was, now in zip(before[:-1], after[:-1], strict=True)]
    here_now = after[-1]
    return PruneResult(
        applied.plan,
        found,
        _sum(there),
        _freed(before[-1], here_now, images=not request.server.is_local, cache=build_cache),
        here_now.build_cache if here_now is not None else 0,
    )


def _kept_number(observed: Observed, request: OperationRequest) -> int:
    """Number of releases that the live one keeps.

    Raises:
        UsageError: Nothing is deployed.
    """
    _, project = live_project(observed, request.server)
    return project.keep_releases


def _freed(
    before: DiskUsage | None, after: DiskUsage | None, *, images: bool = True, cache: bool = False
) -> int | None:
    """Bytes that a machine has less; None where it did not say both times."""
    if not images and not cache:
        return 0
    if before is None or after is None:
        return None
    layers = max(0, before.layers - after.layers) if images else 0
    return layers + (max(0, before.build_cache - after.build_cache) if cache else 0)


def _sum(figures: Sequence[int | None]) -> int | None:
    """The sum; None where one of them is not known."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if len(known) == len(figures) else None


def plan_prune(observed: Observed, here: Sequence[Image], *, keep: int, build_cache: bool = False) -> Plan:
    """Plan the removal of leftovers, of images beyond those of `keep` live releases. Pure.

    `here` are the project's images on this machine.
    """
    found = leftovers(observed, here, keep=keep)
    stages = (
        Stage("containers", removal_tracks(found.containers, "left over", lambda _: STOP_SECONDS)),
        Stage("networks", ((RemoveNetworks(found.networks),),) if found.networks else ()),
        Stage(
            "images",
            (
                (DropTags(found.tags),) if found.tags else (),
                (DropPulled(found.pulled),) if found.pulled else (),
                (RemoveImages(found.images),) if found.images else (),
                (RemoveImages(found.images_here, here=True),) if found.images_here else (),
                (AmendRecords(observed.project, found.records, "no longer kept for a rollback"),)
                if found.records
                else (),
                (PruneBuildCache(),) if build_cache else (),
            ),
        ),
    )
    return Plan.without_release(observed, compact(stages), notes=found.notes)


async def images_here(project: str) -> list[Image]:
    """The project's images on this machine; none where it has no engine."""
    from ftl.engine.api import Engine

    with suppress(FtlError):  # no engine here
        async with Engine(local_url(), name="this machine") as engine:
            return await engine.images(labels={labels.PROJECT: project})
    return []


async def _usage(engine: Engine) -> DiskUsage | None:
    with suppress(FtlError, TimeoutError):
        return await engine.usage(seconds=USAGE_SECONDS)
    return None
