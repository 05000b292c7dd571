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
    help="Replace the server's proxy, too, if it is not the newest of proxy.image; visitors wait a second or two.",
)
@pass_options
def command(options: Options, services: tuple[str, ...], build: bool, upgrade_proxy: bool) -> None:
    """Show what a deploy would do, and change nothing.

    Builds the images on this machine (what a deploy does depends on what is in them), looks at the server,
    and prints what would happen to each service and why, and the steps in their order.
    """
    project, root, address = load_project(options)

    async def work(emit: Emit) -> Plan:
        from ftl.deploy.deploying import plan_only
        from ftl.deploy.request import DeployRequest

        request = DeployRequest(project, root, services, build=build, upgrade_proxy=upgrade_proxy)
        return await plan_only(request, address.machine(), emit=emit)

    plan = run(options, "plan", work, _fields)
    if not options.json:
        _print(plan)


def _fields(plan: Plan) -> Fields:
    from dataclasses import asdict

    return {
        "server": plan.server,
        "release": plan.release,
        "changed": not plan.empty,
        "changes": [asdict(change) for change in plan.changes],
        "steps": [{"step": step.kind, "service": step.subject, "text": step.text} for step in plan.steps],
        "notes": list(plan.notes),
    }


def _print(plan: Plan) -> None:
    """The plan, for people."""
    put_table(
        ("SERVICE", "ACTION", "WHY"),
        [(change.name, change.action, change.why) for change in plan.changes],
        sentences=("WHY",),
    )
    for note in plan.notes:
        put(note)
    if plan.empty:
        put(f"nothing to do on {plan.server}: {plan.release} stays")
        return
    put(f"{plan.release} on {plan.server}:")
    for number, step in enumerate(plan.steps, 1):
        put(f"{number:4}. {step.text}")
