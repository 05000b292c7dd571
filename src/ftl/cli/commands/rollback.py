"""`ftl rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.project import fetch_secrets, load_project, load_section
from ftl.cli.running.operation import OperationCall, changes_project, plan_fields
from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from ftl.cli.output import Fields
    from ftl.deploy.operation import OperationRequest
    from ftl.events import Emit
    from ftl.notifications.message import Message
    from ftl.operations.changes.rollback.rollback import RollbackResult
    from ftl.ssh.machine import Machine


@click.command()
@click.argument("release", required=False)
@click.option("--hooks", is_flag=True, help="Also run that release's hooks that run on the server.")
@click.option("--hold", is_flag=True, help="Put deploys on hold until `ftl deploy --end-hold`; needs -m.")
@click.option(
    "-m", "--message", "reason", metavar="REASON", default="", help="Reason, shown to those who deploy next."
)
@click.option("--rebuild", is_flag=True, help="Rebuild missing images from that release's commit.")
@click.option(
    "--fresh-secrets",
    is_flag=True,
    help="Fetch that release's secrets again, as ftl.yaml declares them now; all other values stay as recorded.",
)
@changes_project
def command(
    call: OperationCall,
    release: str | None,
    hooks: bool,
    hold: bool,
    reason: str,
    rebuild: bool,
    fresh_secrets: bool,
) -> None:
    """Go back to an earlier release without downtime.

    Starts the images of RELEASE with the configuration and env that were recorded, as a new release: it must be
    healthy before traffic switches, as in a deploy. Without RELEASE it is the last one before the live one that was
    live, runs something else, and is not marked bad. Dependencies and volumes stay as they are; hooks run only with
    --hooks.

    `ftl releases` lists the releases. Works without ftl.yaml, too: `ftl --server HOST rollback --project NAME`.
    """
    if hold != bool(reason):
        raise UsageError(
            "--hold and -m go together", hint=ftl("rollback --hold -m 'the migration locks the table'")
        )
    if fresh_secrets and not call.target.has_file:
        raise UsageError("--fresh-secrets needs ftl.yaml", hint="leave out --project")

    async def work(asked: OperationRequest, machines: Sequence[Machine], emit: Emit) -> RollbackResult:
        from ftl.operations.changes.rollback.fresh import SecretSource
        from ftl.operations.changes.rollback.rollback import RollbackRequest, rollback

        secrets = SecretSource(
            lambda names: fetch_secrets(call.options, names), lambda: load_project(call.options).project
        )
        request = RollbackRequest(
            asked,
            release,
            hooks=hooks,
            hold=reason,
            rebuild=rebuild,
            secrets=secrets if fresh_secrets else None,
        )
        rolling_back = rollback(request, machines, emit=emit)
        if call.dry_run or not call.target.has_file or not call.target.address.sends_messages:
            return await rolling_back
        return await _notified(call, rolling_back, emit)

    def fields(done: RollbackResult) -> Fields:
        result = plan_fields(done.plan) if call.dry_run else call.deploy_fields(done.applied)
        return {**result, "rollback_of": done.restored, "hold": reason or None, "dry_run": call.dry_run}

    call.run("rollback", work, fields, lambda done: call.print_deploy(done.applied))


async def _notified(
    call: OperationCall, rolling_back: Awaitable[RollbackResult], emit: Emit
) -> RollbackResult:
    """Roll back, and send a message about the outcome; `notify` is read only then."""
    from ftl.cli.running.notify import Notifier

    target = call.target
    notifier = Notifier(
        "rollback",
        target.project,
        target.address.server.host,
        lambda: load_section(call.options, "notify").notify,
    )

    def success(done: RollbackResult) -> Message | None:
        if done.plan.empty:
            return None
        title = f"{done.plan.release} is live, a rollback to {done.restored}"
        return notifier.message("rollback", title, [f"on {notifier.server}"], done.plan.release)

    return await notifier.watch(rolling_back, success, emit=emit)
