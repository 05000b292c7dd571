"""`ftl scale`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.change import change_live, dry_run_option, wait_lock_option
from ftl.cli.project import project_option
from ftl.cli.run import pass_options

if TYPE_CHECKING:
    from ftl.cli.options import Options


@click.command()
@click.argument("services", metavar="SERVICE=N...", nargs=-1, required=True)
@dry_run_option
@wait_lock_option
@project_option
@pass_options
def command(
    options: Options, services: tuple[str, ...], dry_run: bool, wait_lock: float, project: str | None
) -> None:
    """Run more or fewer containers of a service.

    `ftl scale web=3 worker=2` starts and stops as many containers as it takes; the others go on, and no request
    fails. It lasts until the next deploy, which goes by `replicas` in ftl.yaml.
    """
    from ftl.operations.changes.scale import parse_numbers, plan_scale

    change_live(
        options,
        "scale",
        plan_scale(parse_numbers(services)),
        services,
        project=project,
        dry_run=dry_run,
        wait_lock=wait_lock,
        done="was scaled",
    )
