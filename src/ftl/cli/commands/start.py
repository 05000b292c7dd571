"""`ftl start`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.change import change_live, dry_run_option, wait_lock_option
from ftl.cli.project import project_option
from ftl.cli.run import pass_options

if TYPE_CHECKING:
    from ftl.cli.options import Options


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@dry_run_option
@wait_lock_option
@project_option
@pass_options
def command(
    options: Options, services: tuple[str, ...], dry_run: bool, wait_lock: float, project: str | None
) -> None:
    """Start services that were stopped.

    Starts the containers that `ftl stop` has stopped and waits until they are healthy. Services get all dependencies
    started first, also those that were stopped by name.
    """
    from ftl.operations.changes.start import plan_start

    change_live(
        options,
        "start",
        plan_start,
        services,
        project=project,
        dry_run=dry_run,
        wait_lock=wait_lock,
        done="runs",
    )
