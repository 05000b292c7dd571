"""`ftl maintenance on|off`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftl.cli.change import dry_run_option, plan_fields, print_plan, wait_lock_option
from ftl.cli.output import Fields, put
from ftl.cli.project import load_target, project_option
from ftl.cli.run import pass_options, run
from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.events import Emit
    from ftl.operations.changes.live import LiveResult
    from ftl.proxy.site import Maintenance


@click.group()
def command() -> None:
    """Answer 503 with a page in place of the project.

    Its containers go on, and requests in flight are finished. A deploy leaves it as it is; `ftl maintenance off` ends
    it. Services of the project still reach each other.
    """


@command.command()
@click.option("--page", metavar="FILE", help="Answer with this HTML file, not with a line of text.")
@click.option(
    "--allow", multiple=True, metavar="CIDR", help="Let these addresses through: 198.51.100.7. Repeatable."
)
@dry_run_option
@wait_lock_option
@project_option
@pass_options
def on(
    options: Options,
    page: str | None,
    allow: tuple[str, ...],
    dry_run: bool,
    wait_lock: float,
    project: str | None,
) -> None:
    """Begin: visitors get 503, a page, and a Retry-After."""
    from ftl.proxy.site import Maintenance

    stopped = Maintenance(_read(page) if page is not None else "", tuple(map(_network, allow)))
    _run(options, stopped, dry_run=dry_run, wait_lock=wait_lock, project=project)


@command.command()
@dry_run_option
@wait_lock_option
@project_option
@pass_options
def off(options: Options, dry_run: bool, wait_lock: float, project: str | None) -> None:
    """End: requests reach the project again."""
    _run(options, None, dry_run=dry_run, wait_lock=wait_lock, project=project)


def _run(
    options: Options, stopped: Maintenance | None, *, dry_run: bool, wait_lock: float, project: str | None
) -> None:
    target = load_target(options, project, changes=not dry_run)
    word = "off" if stopped is None else "on"

    async def work(emit: Emit) -> LiveResult:
        from ftl.operations.changes.live import LiveRequest, change_live
        from ftl.operations.changes.maintenance import plan_maintenance

        request = LiveRequest(target.project, target.address.server, target.root, lock_wait=wait_lock)
        machine = target.address.machine(project=target.project)
        make = plan_maintenance(stopped)
        return await change_live(f"maintenance {word}", make, request, machine, emit=emit, dry=dry_run)

    def fields(result: LiveResult) -> Fields:
        if dry_run:
            return {**plan_fields(result.applied.plan), "maintenance": stopped is not None, "dry_run": True}
        return {
            "server": result.applied.plan.server,
            "maintenance": stopped is not None,
            "changed": not result.applied.plan.empty,
        }

    result = run(options, "maintenance", work, fields)
    if options.json:
        return
    if dry_run:
        print_plan(result.applied.plan)
    elif stopped is None:
        put(f"{target.project} answers again on {result.applied.plan.server}")
    else:
        put(
            f"{target.project} is in maintenance on {result.applied.plan.server}: `ftl maintenance off` ends it"
        )


def _read(page: str) -> str:
    """Read the page.

    Raises:
        UsageError: It cannot be read, or is not text.
    """
    from ftl.files import read_small_text

    try:
        return read_small_text(Path(page))
    except OSError as error:
        raise UsageError(f"--page: `{page}` cannot be read: {error.strerror}") from error


def _network(text: str) -> str:
    """Check a range of addresses.

    Raises:
        UsageError: It is none.
    """
    from ftl.config.values.scalars import InvalidValue, network

    try:
        return network(text)
    except InvalidValue as error:
        raise UsageError(f"--allow: `{text}` {error.message}", hint=error.hint) from None
