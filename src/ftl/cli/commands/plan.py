"""`ftl plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.project import completed_by, load_project
from ftl.cli.running.command_line import given_command
from ftl.cli.running.operation import (
    adopt_option,
    build_option,
    plan_fields,
    print_plan,
    upgrade_proxy_option,
)
from ftl.cli.running.run import pass_options, run
from ftl.config.read.parts import secrets_of

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.deploy.plan.model import Plan
    from ftl.events import Emit


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@build_option
@upgrade_proxy_option
@adopt_option
@pass_options
def command(
    options: Options, services: tuple[str, ...], build: bool, upgrade_proxy: bool, adopt: bool
) -> None:
    """Show what a deploy would do, without doing it.

    Builds the images on this machine (the plan depends on their content), queries the server, and prints the
    action for each service with its reason, and the steps in order.
    """
    project, root, address = load_project(options, fetch=secrets_of(services))
    given = given_command()

    async def work(emit: Emit) -> Plan:
        from ftl.deploy.deploying import plan_only
        from ftl.deploy.operation import OperationRequest
        from ftl.deploy.request import NewRelease, PlanRequest

        purpose = NewRelease(upgrade_proxy=upgrade_proxy, adopt=adopt)
        request = PlanRequest(project, services, purpose, build=build)
        machines = address.machines(project=project.name)
        operation = OperationRequest.of(project, root, address.backend, given)
        complete = completed_by(options, project, services)
        return await plan_only(operation, request, machines, emit=emit, complete=complete)

    plan = run(options, "plan", work, plan_fields)
    if not options.json:
        print_plan(plan)
