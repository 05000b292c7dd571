"""`ftl maintenance on|off`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftl.cli.options import checked
from ftl.cli.output import Fields, put
from ftl.cli.running.operation import OperationCall, changes_project, plan_fields
from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.operation import OperationRequest, OperationResult
    from ftl.events import Emit
    from ftl.proxy.site import Maintenance
    from ftl.ssh.machine import Machine


@click.group()
def command() -> None:
    """Answer with a maintenance page (503) instead of the project.

    Its containers keep running, and requests in flight are finished. A deploy does not end it; `ftl maintenance off`
    ends it. Services of the project still reach each other.
    """


@command.command()
@click.option("--page", metavar="FILE", help="Answer with this HTML file instead of a line of text.")
@click.option(
    "--allow", multiple=True, metavar="CIDR", help="Let these addresses through: 198.51.100.7. Repeatable."
)
@changes_project
def on(call: OperationCall, page: str | None, allow: tuple[str, ...]) -> None:
    """Begin: visitors get 503, a page, and a Retry-After."""
    from ftl.config.values.addresses import network
    from ftl.proxy.site import Maintenance

    networks = tuple(checked(network, text, option="--allow") for text in allow)
    _run(call, Maintenance(_read(page) if page is not None else "", networks))


@command.command()
@changes_project
def off(call: OperationCall) -> None:
    """End: requests reach the project again."""
    _run(call, None)


def _run(call: OperationCall, stopped: Maintenance | None) -> None:
    on = stopped is not None

    async def work(request: OperationRequest, machines: Sequence[Machine], emit: Emit) -> OperationResult:
        from ftl.operations.changes.live import adjust_live
        from ftl.operations.changes.maintenance import plan_maintenance

        return await adjust_live(plan_maintenance(stopped), request, machines, emit=emit)

    def fields(applied: OperationResult) -> Fields:
        if call.dry_run:
            return {**plan_fields(applied.plan), "maintenance": on, "dry_run": True}
        return {"server": applied.plan.server, "maintenance": on, "changed": not applied.plan.empty}

    def show(applied: OperationResult) -> None:
        name, server = call.target.project, applied.plan.server
        put(
            f"{name} is in maintenance on {server}: {ftl('maintenance off')} ends it"
            if on
            else f"{name} answers again on {server}"
        )

    call.run("maintenance", work, fields, show)


def _read(page: str) -> str:
    """Read the page."""
    from ftl.common.files import read_small_text

    try:
        return read_small_text(Path(page))
    except OSError as error:
        raise UsageError(f"--page: `{page}` cannot be read: {error.strerror}") from error
