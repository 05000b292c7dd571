"""`ftl deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put, put_table
from ftl.cli.project import load_project
from ftl.cli.run import pass_options, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.cli.options import Options
    from ftl.deploy.deploying import DeployResult, ServiceResult
    from ftl.events import Emit

HEADER = ("SERVICE", "ACTION", "IMAGE", "SENT", "REUSED")
OPTIONAL = ("IMAGE", "REUSED")


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option("--build/--no-build", default=True, help="Build first, or use the images of the last build.")
@click.option(
    "--wait-lock",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Seconds to wait for another deploy of this project to end.",
)
@click.option(
    "--upgrade-proxy",
    is_flag=True,
    help="Also upgrade a proxy that does not run the newest proxy.image; connections wait a second or two.",
)
@click.option(
    "--adopt", is_flag=True, help="Take over a project of this name that another repository deployed."
)
@click.option("--hooks/--no-hooks", default=True, help="Run the hooks, or leave them out.")
@click.option("--end-hold", is_flag=True, help="End the hold that `ftl rollback --hold` has put on deploys.")
@pass_options
def command(
    options: Options,
    services: tuple[str, ...],
    build: bool,
    wait_lock: float,
    upgrade_proxy: bool,
    adopt: bool,
    hooks: bool,
    end_hold: bool,
) -> None:
    """Build, send and start a new release without downtime.

    Pre hooks run in the new image; then new containers start beside the old ones and must pass their health
    check, all traffic switches at once, and the old containers finish their requests. If anything fails before
    the switch, the old release stays live, and the exit code is 1. Services that did not change are not touched.

    Exit codes: 0 done, 1 failed, 2 ftl.yaml or the call is wrong, 3 the server cannot be reached, 4 another
    deploy is in progress, 130 interrupted.
    """
    project, root, address = load_project(options)

    async def work(emit: Emit) -> DeployResult:
        from ftl.deploy.deploying import deploy
        from ftl.deploy.request import DeployRequest

        request = DeployRequest(
            project,
            root,
            services,
            build=build,
            upgrade_proxy=upgrade_proxy,
            lock_wait=wait_lock,
            adopt=adopt,
            hooks=hooks,
            end_hold=end_hold,
        )
        return await deploy(request, address.machine(project=project.name), emit=emit)

    result = run(options, "deploy", work, lambda result: fields(result, address.urls(project, result)))
    if not options.json:
        print_result(result, address.urls(project, result), address.host_requests(project))


def fields(result: DeployResult, urls: Sequence[str]) -> Fields:
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


def print_result(result: DeployResult, urls: Sequence[str], host_requests: Sequence[str]) -> None:
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
