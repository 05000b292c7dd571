"""`ftl plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put, put_table
from ftl.cli.project import load_project
from ftl.cli.run import pass_options, run

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.deploy.plan.model import Plan
    from ftl.events import Emit


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option("--build/--no-build", default=True, help="Build first, or use the images of the last build.")
@click.option(
    "--upgrade-proxy",
    is_flag=True,
    help="Also upgrade a proxy that does not run the newest proxy.image; connections wait a second or two.",
)
@click.option(
    "--adopt", is_flag=True, help="Take over a project of this name that another repository deployed."
)
@pass_options
def command(
    options: Options, services: tuple[str, ...], build: bool, upgrade_proxy: bool, adopt: bool
) -> None:
    """Show what a deploy would do, without doing it.

    Builds the images on this machine (the plan depends on their content), queries the server, and prints the
    action for each service with its reason, and the steps in order.
    """
    project, root, address = load_project(options)

    async def work(emit: Emit) -> Plan:
        from ftl.deploy.deploying import plan_only
        from ftl.deploy.request import DeployRequest

        request = DeployRequest(
            project, root, services, build=build, upgrade_proxy=upgrade_proxy, adopt=adopt
        )
        return await plan_only(request, address.machine(project=project.name), emit=emit)

    plan = run(options, "plan", work, fields)
    if not options.json:
        print_plan(plan)


def fields(plan: Plan) -> Fields:
    """The plan's fields for --json."""
    from dataclasses import asdict

    return {
        "server": plan.server,
        "release": plan.release,
        "changed": not plan.empty,
        "changes": [asdict(change) for change in plan.changes],
        "steps": [{"step": step.kind, "service": step.subject, "text": step.text} for step in plan.steps],
        "notes": list(plan.notes),
    }


def print_plan(plan: Plan) -> None:
    """Print the plan as text."""
    put_table(
        ("SERVICE", "ACTION", "WHY"),
        [(change.name, change.action, change.why) for change in plan.changes],
        sentences=("WHY",),
    )
    for note in plan.notes:
        put(note)
    if plan.empty:
        put(f"nothing to do on {plan.server}: {plan.release} stays live")
        return
    put(f"{plan.release} on {plan.server}:")
    for number, step in enumerate(plan.steps, 1):
        put(f"{number:4}. {step.text}")
