"""`ftl restart`."""

from __future__ import annotations

import click

from ftl.cli.running.change import ChangeCall, changes_project


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@changes_project
def command(change: ChangeCall, services: tuple[str, ...]) -> None:
    """Replace the containers of all or some services without downtime.

    New containers of the same release, with the same image, env and settings, start beside the old ones and must
    be healthy; then all traffic switches, and the old ones finish their requests. No request fails. For these
    seconds the server needs memory for both. Dependencies
    are not restarted, and ftl.yaml is not read: `ftl deploy` applies its changes.
    """
    from ftl.operations.changes.restart import plan_restart

    change.run_live("restart", plan_restart, services, done="was restarted")
