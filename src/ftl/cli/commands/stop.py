"""`ftl stop`."""

from __future__ import annotations

import click

from ftl.cli.running.operation import OperationCall, changes_project


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@changes_project
def command(call: OperationCall, services: tuple[str, ...]) -> None:
    """Stop services until they are started again.

    Their containers stay, and requests for them fail until `ftl start` or the next deploy. Without a name all
    services stop; a dependency only if it is named.
    """
    from ftl.operations.changes.stop import plan_stop

    call.run_live("stop", plan_stop, services, done="was stopped")
