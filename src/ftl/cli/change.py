"""Work, options and output of the commands that change a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put, put_table
from ftl.cli.project import load_target
from ftl.cli.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl.cli.options import Options
    from ftl.deploy.deploying import DeployResult, ServiceResult
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author
    from ftl.events import Emit
    from ftl.operations.changes.live import LiveRequest, LiveResult

HEADER = ("SERVICE", "ACTION", "IMAGE", "SENT", "REUSED")
OPTIONAL = ("IMAGE", "REUSED")

dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be done, without doing it.")
wait_lock_option = click.option(
    "--wait-lock",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Seconds to wait for another deploy of this project to end.",
)


def change_live(
    options: Options,
    command: str,
    make: Callable[[LiveRequest, Author, Observed], Plan],
    services: Sequence[str],
    *,
    project: str | None,
    dry_run: bool,
    wait_lock: float,
    done: str,
) -> None:
    """Run a command that changes the live release, and print its result.

    Args:
        options: The global options.
        command: The command's name.
        make: Makes the plan.
        services: The arguments.
        project: The value of --project.
        dry_run: Only show the plan.
        wait_lock: Seconds to wait for the lock.
        done: Past participle for the last line: "restarted".
    """
    target = load_target(options, project, changes=True)

    async def work(emit: Emit) -> LiveResult:
        from ftl.operations.changes.live import LiveRequest, change_live

        names = tuple(service.partition("=")[0] for service in services)
        request = LiveRequest(target.project, target.address.server, target.root, names, wait_lock)
        machine = target.address.machine(project=target.project)
        line = " ".join((command, *services))
        return await change_live(line, make, request, machine, emit=emit, dry=dry_run)

    def fields(result: LiveResult) -> Fields:
        if dry_run:
            return {**plan_fields(result.applied.plan), "dry_run": True}
        deployed = _deployed(result)
        return deploy_fields(deployed, target.address.urls(result.project, deployed))

    result = run(options, command, work, fields)
    if options.json:
        return
    if dry_run:
        print_plan(result.applied.plan)
    else:
        _print_live(_deployed(result), done)


def _deployed(result: LiveResult) -> DeployResult:
    from ftl.deploy.deploying import result as deployed

    return deployed(result.project, result.applied, result.seconds)


def _print_live(result: DeployResult, done: str) -> None:
    from ftl.figures import duration

    units = {**result.dependencies, **result.services}
    rows = [(name, unit.action, unit.image) for name, unit in units.items() if unit.action != "unchanged"]
    if rows:
        put_table(("SERVICE", "ACTION", "IMAGE"), rows, optional=("IMAGE",))
    outcome = (
        f"{result.release} {done} on {result.server}"
        if result.changed
        else f"nothing to do on {result.server}"
    )
    put(f"{outcome} ({duration(result.seconds)})")


def deploy_fields(result: DeployResult, urls: Sequence[str]) -> Fields:
    """The result's fields for --json."""
    from dataclasses import asdict

    return {
        "server": result.server,
        "release": result.release,
        "seconds": round(result.seconds, 3),
        "changed": result.changed,
        "services": {name: asdict(service) for name, service in result.services.items()},
        "dependencies": {name: asdict(dependency) for name, dependency in result.dependencies.items()},
        "removed": list(result.removed),
        "urls": list(urls),
    }


def print_deploy(result: DeployResult, urls: Sequence[str], host_requests: Sequence[str]) -> None:
    """Print what was done, where it answers, and the commands that request a host by its name."""
    from ftl.figures import duration

    rows = [_row(name, unit) for name, unit in {**result.dependencies, **result.services}.items()]
    if rows:
        put_table(HEADER, rows, optional=OPTIONAL)
    for name in result.removed:
        put(f"{name} was removed: it is no longer in ftl.yaml")
    outcome = "is live" if result.changed else "is already live, nothing changed"
    put(f"{result.release} {outcome} on {result.server} ({duration(result.seconds)})")
    for url in urls:
        put(url)
    for command_line in host_requests:
        put(f"by host name: {command_line}")


def _row(name: str, result: ServiceResult) -> tuple[str, ...]:
    from ftl.figures import count, size

    sent = f"{count(result.layers_sent, 'layer')}, {size(result.bytes_sent)}" if result.layers_sent else "-"
    if result.bytes_saved:
        sent += f" instead of {size(result.bytes_sent + result.bytes_saved)}"
    reused = count(result.layers_reused, "layer") if result.layers_reused else "-"
    return name, result.action, result.image, sent, reused


def plan_fields(plan: Plan) -> Fields:
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
