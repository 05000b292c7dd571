"""`ftl rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.change import (
    deploy_fields,
    dry_run_option,
    plan_fields,
    print_deploy,
    print_plan,
    wait_lock_option,
)
from ftl.cli.project import load_project, load_target, project_option
from ftl.cli.run import pass_options, run
from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.cli.output import Fields
    from ftl.deploy.deploying import DeployResult
    from ftl.events import Emit
    from ftl.operations.changes.rollback import Rollback


@click.command()
@click.argument("release", required=False)
@dry_run_option
@click.option("--hooks", is_flag=True, help="Also run the hooks of that release, those on the server.")
@click.option("--hold", is_flag=True, help="Let nobody deploy until `ftl deploy --end-hold`; needs -m.")
@click.option(
    "-m", "--message", "reason", metavar="REASON", default="", help="Why, for those who deploy next."
)
@click.option("--rebuild", is_flag=True, help="Build images that are gone again, from that release's commit.")
@click.option(
    "--fresh-secrets",
    is_flag=True,
    help="Take the values of env from ftl.yaml as it is now, not as recorded; secrets that are files stay as recorded.",
)
@wait_lock_option
@project_option
@pass_options
def command(
    options: Options,
    release: str | None,
    dry_run: bool,
    hooks: bool,
    hold: bool,
    reason: str,
    rebuild: bool,
    fresh_secrets: bool,
    wait_lock: float,
    project: str | None,
) -> None:
    """Go back to an earlier release without downtime.

    Starts the images of RELEASE with the configuration and env that were recorded, as a new release: it must be
    healthy before traffic switches, as in a deploy. Without RELEASE it is the last one before the live one that was
    live and is not marked bad. Dependencies and volumes stay as they are; hooks run only with --hooks.

    `ftl releases` lists what there is. Works without ftl.yaml, too: `ftl --server HOST rollback --project NAME`.
    """
    if hold != bool(reason):
        raise UsageError(
            "--hold and -m go together", hint="`ftl rollback --hold -m 'the migration locks the table'`"
        )
    target = load_target(options, project, changes=True)

    fresh: dict[str, dict[str, str]] = {}
    if fresh_secrets:
        if project is not None:
            raise UsageError("--fresh-secrets needs ftl.yaml", hint="leave out --project")
        fresh = {service.name: service.env for service in load_project(options).project.services}

    async def work(emit: Emit) -> Rollback:
        from ftl.operations.changes.rollback import RollbackRequest, rollback

        request = RollbackRequest(
            target.project,
            target.address.server,
            target.root,
            release,
            hooks=hooks,
            hold=reason,
            lock_wait=wait_lock,
            rebuild=rebuild,
            fresh=fresh,
        )
        machine = target.address.machine(project=target.project)
        return await rollback(request, machine, emit=emit, dry=dry_run)

    def fields(done: Rollback) -> Fields:
        more = {"rollback_of": done.target, "hold": reason or None, "dry_run": dry_run}
        if dry_run:
            return {**plan_fields(done.applied.plan), **more}
        result = _result(done)
        return {**deploy_fields(result, target.address.urls(done.project, result)), **more}

    done = run(options, "rollback", work, fields)
    if options.json:
        return
    if dry_run:
        print_plan(done.applied.plan)
        return
    result = _result(done)
    print_deploy(
        result, target.address.urls(done.project, result), target.address.host_requests(done.project)
    )


def _result(done: Rollback) -> DeployResult:
    from ftl.deploy.deploying import result

    return result(done.project, done.applied, done.seconds)
