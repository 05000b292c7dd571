"""`ftl restart`."""

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
    """Replace the containers of all or some services without downtime.

    New containers of the same release, with the same image, env and settings, start beside the old ones and must
    be healthy; then all traffic switches, and the old ones finish their requests. No request fails. Dependencies
    are not restarted, and ftl.yaml is not read: `ftl deploy` applies its changes.
    """
    from ftl.operations.changes.restart import plan_restart

    change_live(
        options,
        "restart",
        plan_restart,
        services,
        project=project,
        dry_run=dry_run,
        wait_lock=wait_lock,
        done="was restarted",
    )
