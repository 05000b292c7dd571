"""`ftl plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.common import Fields, Options, load_project, pass_options, put, reaching, run_at

if TYPE_CHECKING:
    from ftl.deploy.plan.model import Plan
    from ftl.events import Emit
    from ftl.ssh.connecting import Way


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
    project, root = load_project(options)
    made: list[Plan] = []

    async def work(emit: Emit, way: Way) -> Fields:
        async with reaching(way, "ftl.deploy.deploying") as machine:
            from ftl.deploy.deploying import plan_only

            plan = await plan_only(
                project,
                root,
                machine,
                services=services,
                build=build,
                upgrade_proxy=upgrade_proxy,
                emit=emit,
            )
        made.append(plan)
        return _fields(plan)

    run_at(project.server, options, "plan", work)
    if not options.json:
        _print(made[0])


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
    from ftl.cli.screen import put_table

    put_table(("SERVICE", "ACTION", "WHY"), [(one.name, one.action, one.why) for one in plan.changes])
    for note in plan.notes:
        put(note)
    if plan.empty:
        put(f"nothing to do on {plan.server}: {plan.release} stays")
        return
    put(f"{plan.release} on {plan.server}:")
    for number, step in enumerate(plan.steps, 1):
        put(f"{number:4}. {step.text}")
