"""`ftl start`."""

from __future__ import annotations

import click

from ftl.cli.running.operation import OperationCall, changes_project


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@changes_project
def command(call: OperationCall, services: tuple[str, ...]) -> None:
    """Start services that were stopped.

    Starts the containers that `ftl stop` has stopped and waits until they are healthy. Services get all dependencies
    started first, also those that were stopped by name.
    """
    from ftl.operations.changes.start import plan_start

    call.run_live("start", plan_start, services, done="runs")
