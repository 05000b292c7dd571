"""`ftl stop`."""

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
    """Stop services until they are started again.

    Their containers stay, and requests for them fail until `ftl start` or the next deploy. Without a name all
    services stop; a dependency only if it is named.
    """
    from ftl.operations.changes.stop import plan_stop

    change_live(
        options,
        "stop",
        plan_stop,
        services,
        project=project,
        dry_run=dry_run,
        wait_lock=wait_lock,
        done="was stopped",
    )
