"""`ftl prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.running.operation import OperationCall, changes_project
from ftl.common.next_step import ftl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.operation import OperationRequest
    from ftl.events import Emit
    from ftl.operations.changes.prune import PruneResult
    from ftl.ssh.machine import Machine


@click.command()
@click.option(
    "--build-cache",
    is_flag=True,
    help="Also remove this machine's unused build cache, of all projects.",
)
@changes_project
def command(call: OperationCall, build_cache: bool) -> None:
    """Remove leftovers of old releases and interrupted deploys.

    Images of releases beyond `keep_releases`, on the server and on this machine, images of the project without a tag,
    containers that get no requests, and networks that no container is in. Only what belongs to this project; volumes
    always stay. The build cache of this machine's engine belongs to all projects: its size is printed, and
    --build-cache removes it. The next builds then run every step.
    """

    async def work(request: OperationRequest, machines: Sequence[Machine], emit: Emit) -> PruneResult:
        from ftl.operations.changes.prune import prune

        return await prune(request, machines, build_cache=build_cache, emit=emit)

    call.run("prune", work, lambda result: {**_fields(result), "dry_run": call.dry_run}, _print)


def _fields(result: PruneResult) -> Fields:
    leftovers = result.found
    return {
        "server": result.plan.server,
        "containers": [container.name for container in leftovers.containers],
        "images": _images(result),
        "networks": list(leftovers.networks),
        "tags": list(leftovers.tags),
        "bytes_freed": result.bytes_freed,
        "bytes_freed_here": result.bytes_freed_here,
        "build_cache_here": result.build_cache_here,
    }


def _images(result: PruneResult) -> list[str]:
    found = result.found
    return [*found.images, *found.images_here, *(image.id for image in found.pulled)]


def _print(result: PruneResult) -> None:
    from ftl.common.figures import count, size

    leftovers = result.found
    if result.plan.empty:
        put(f"nothing to remove on {result.plan.server}")
        _put_cache(result)
        return
    images = {*leftovers.tags, *_images(result)}
    networks = f", {count(len(leftovers.networks), 'network')}" if leftovers.networks else ""
    put(
        f"removed {count(len(leftovers.containers), 'container')}{networks} and {count(len(images), 'image')}"
    )
    figures = ((result.bytes_freed, f"on {result.plan.server}"), (result.bytes_freed_here, "here"))
    known = [f"{size(freed)} {where}" for freed, where in figures if freed is not None]
    unknown = [where for freed, where in figures if freed is None]
    if known:
        put(f"freed {' and '.join(known)}")
    if unknown:
        put(f"the space freed {' and '.join(unknown)} is unknown: Docker did not report its disk usage")
    _put_cache(result)


def _put_cache(result: PruneResult) -> None:
    from ftl.common.figures import size

    if result.build_cache_here:
        cache = size(result.build_cache_here)
        put(f"this machine has {cache} of unused build cache: {ftl('prune --build-cache')} removes it")
