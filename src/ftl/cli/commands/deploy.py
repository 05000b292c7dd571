"""`ftl deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.options import seconds
from ftl.cli.project import completed_by, load_project
from ftl.cli.running.command_line import given_command, wait_lock_option
from ftl.cli.running.operation import (
    adopt_option,
    build_option,
    deploy_fields,
    print_deploy,
    summary_option,
    upgrade_proxy_option,
)
from ftl.cli.running.run import pass_options, run
from ftl.common.next_step import ftl
from ftl.config.read.parts import secrets_of
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ftl.cli.address import Address
    from ftl.cli.options import Options
    from ftl.cli.output import Fields
    from ftl.cli.project import LoadedProject
    from ftl.config.models.project import Project
    from ftl.deploy.request import NewRelease
    from ftl.deploy.result import DeployResult
    from ftl.events import Emit
    from ftl.notifications.message import Message


@click.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@build_option
@wait_lock_option
@upgrade_proxy_option
@adopt_option
@click.option("--hooks/--no-hooks", default=True, help="Run the hooks, or leave them out.")
@click.option(
    "--backup",
    is_flag=True,
    help="Back up the databases to this machine before any data can change.",
)
@summary_option
@click.option(
    "--watch",
    metavar="DURATION",
    help="Watch the release for this time (5m); if requests fail, the server switches back to the old containers.",
)
@click.option("--end-hold", is_flag=True, help="End the hold set by `ftl rollback --hold`.")
@pass_options
def command(
    options: Options,
    services: tuple[str, ...],
    build: bool,
    upgrade_proxy: bool,
    adopt: bool,
    hooks: bool,
    backup: bool,
    end_hold: bool,
    summary: str | None,
    watch: str | None,
) -> None:
    """Build, send and start a new release without downtime.

    Pre hooks run in the new image; then new containers start next to the old ones and must pass their health check, all
    traffic switches at once, and the old containers finish their requests. If anything fails before the switch, the old
    release stays live, and the exit code is 1. Services that did not change are not touched.

    Exit codes: 0 done, 1 failed, 2 ftl.yaml or the call is wrong, 3 the server cannot be reached, 4 another
    deploy is in progress, 130 interrupted.
    """
    from pathlib import Path

    from ftl.cli.views.summary import summarised_failure
    from ftl.deploy.request import NewRelease

    path = Path(summary) if summary is not None else None
    watched = 0.0 if watch is None else seconds("--watch", watch, least=30)
    with summarised_failure(path):
        loaded = load_project(options, changes=True, fetch=secrets_of(services))
        if name := loaded.project.preview_of and loaded.project.environment:
            raise UsageError(
                f"`{name}` is a preview, which needs an end time",
                hint=f"{ftl(f'preview up {name}')} deploys it",
            )
        if watched and loaded.project.is_cluster:  # before anything is built
            raise UsageError(
                "--watch cannot take a release back on several servers",
                cause="one of them cannot switch the proxies of the others",
                hint=f"deploy without --watch, and use {ftl('rollback')} if needed",
            )
        purpose = NewRelease(
            hooks=hooks, upgrade_proxy=upgrade_proxy, adopt=adopt, end_hold=end_hold, watch=watched
        )
        make_release(
            options,
            loaded,
            purpose,
            services=services,
            build=build,
            backup=backup,
            summary=path,
        )


def make_release(
    options: Options,
    loaded: LoadedProject,
    purpose: NewRelease,
    *,
    command: str = "deploy",
    services: tuple[str, ...] = (),
    build: bool = True,
    backup: bool = False,
    summary: Path | None = None,
    before: Callable[[Emit], Awaitable[None]] | None = None,
    more: Callable[[DeployResult], Fields] | None = None,
) -> None:
    """Deploy a project and print the result, in its JSON with `more` fields of it.

    `command` is its name there. Without names of services all are deployed. `before` is called first.
    """
    from ftl.cli.completion.seen import remember
    from ftl.cli.views.summary import append, result_text

    project, root, address = loaded
    given = given_command()

    async def work(emit: Emit) -> DeployResult:
        from ftl.deploy.deploying import deploy
        from ftl.deploy.operation import OperationRequest
        from ftl.deploy.origin import require_clean
        from ftl.deploy.request import PlanRequest

        if project.protected and purpose.preview is None:
            await require_clean(root)
        if before is not None:
            await before(emit)
        request = PlanRequest(project, services, purpose, build=build)
        machines = address.machines(project=project.name)
        backend = address.backend
        if backup:
            from ftl.operations.databases.deploy_backup import with_backups

            backend = with_backups(backend)
        operation = OperationRequest.of(project, root, backend, given)
        complete = completed_by(options, project, services)
        deploying = deploy(operation, request, machines, emit=emit, complete=complete)
        if not project.notify:
            return await deploying
        return await _notified(project, address, deploying, emit)

    def fields(result: DeployResult) -> Fields:
        return {
            **deploy_fields(result, address.urls(project, result)),
            **(more(result) if more is not None else {}),
        }

    result = run(options, command, work, fields)
    remember(project.name, address.server.host, [result.release])
    if summary is not None:
        append(summary, result_text(project.name, result, address.urls(project, result)))
    if not options.json:
        print_deploy(result, address.urls(project, result), address.host_requests(project))


async def _notified(
    project: Project, address: Address, deploying: Awaitable[DeployResult], emit: Emit
) -> DeployResult:
    """Deploy, and send a message about the outcome; none where everything was live already."""
    from ftl.cli.running.notify import Notifier
    from ftl.common.figures import duration
    from ftl.config.dump import sensitive_values

    notifier = Notifier(
        "deploy", project.name, address.server.host, lambda: project.notify, tuple(sensitive_values(project))
    )

    def success(result: DeployResult) -> Message | None:
        if not result.changed:
            return None
        body = [f"on {notifier.server}, in {duration(result.seconds)}", *address.urls(project, result)]
        return notifier.message("deploy", f"{result.release} is live", body, result.release)

    return await notifier.watch(deploying, success, emit=emit)
