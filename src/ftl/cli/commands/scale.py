"""`ftl scale`."""

from __future__ import annotations

import click

from ftl.cli.running.operation import OperationCall, changes_project


@click.command()
@click.argument("services", metavar="SERVICE=N...", nargs=-1, required=True)
@changes_project
def command(call: OperationCall, services: tuple[str, ...]) -> None:
    """Run more or fewer containers of a service.

    `ftl scale web=3 worker=2` starts and stops as many containers as needed; the others keep running, and no request
    fails. It lasts until the next deploy, which uses `replicas` of ftl.yaml.
    """
    from ftl.operations.changes.scale import parse_numbers, plan_scale

    call.run_live("scale", plan_scale(parse_numbers(services)), services, done="was scaled")
