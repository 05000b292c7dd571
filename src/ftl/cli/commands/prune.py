"""`ftl prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.change import dry_run_option, print_plan, wait_lock_option
from ftl.cli.output import Fields, put
from ftl.cli.project import load_target, project_option
from ftl.cli.run import pass_options, run

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.events import Emit
    from ftl.operations.changes.prune import Pruned


@click.command()
@dry_run_option
@wait_lock_option
@project_option
@pass_options
def command(options: Options, dry_run: bool, wait_lock: float, project: str | None) -> None:
    """Remove what old releases and interrupted deploys left.

    Images of releases beyond `keep_releases`, on the server and on this machine, images of the project without a
    tag, containers that get no requests, and networks that no container is in. Only what belongs to this project;
    volumes always stay.
    """
    target = load_target(options, project, changes=not dry_run)

    async def work(emit: Emit) -> Pruned:
        from ftl.operations.changes.live import LiveRequest
        from ftl.operations.changes.prune import prune

        request = LiveRequest(target.project, target.address.server, target.root, lock_wait=wait_lock)
        return await prune(request, target.address.machine(project=target.project), emit=emit, dry=dry_run)

    result = run(options, "prune", work, lambda result: {**_fields(result), "dry_run": dry_run})
    if options.json:
        return
    if dry_run:
        print_plan(result.plan)
    else:
        _print(result)


def _fields(result: Pruned) -> Fields:
    found = result.found
    return {
        "server": result.plan.server,
        "containers": [container.name for container in found.containers],
        "images": [*found.images, *found.images_here],
        "networks": list(found.networks),
        "tags": list(found.tags),
        "bytes_freed": result.bytes_freed,
        "bytes_freed_here": result.bytes_freed_here,
    }


def _print(result: Pruned) -> None:
    from ftl.figures import count, size

    found = result.found
    if result.plan.empty:
        put(f"nothing to remove on {result.plan.server}")
        return
    images = {*found.tags, *found.images, *found.images_here}
    networks = f", {count(len(found.networks), 'network')}" if found.networks else ""
    put(f"removed {count(len(found.containers), 'container')}{networks} and {count(len(images), 'image')}")
    put(f"freed {size(result.bytes_freed)} on {result.plan.server} and {size(result.bytes_freed_here)} here")
