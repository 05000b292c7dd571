"""`ftl restart`."""

from __future__ import annotations

import click

from ftl.cli.running.operation import OperationCall, changes_project


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@changes_project
def command(call: OperationCall, services: tuple[str, ...]) -> None:
    """Replace the containers of all or some services without downtime.

    One replica of a service after the other: a new container of the same release, with the same image, env and
    settings, starts next to the old ones and must be healthy; then it gets requests instead of an old one, which
    finishes its own. No request fails. Dependencies are not restarted, and ftl.yaml is not read: `ftl deploy` applies
    its changes.
    """
    from ftl.operations.changes.restart import plan_restart

    call.run_live("restart", plan_restart, services, done="was restarted")
