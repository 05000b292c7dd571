"""`ftl servers`, `ftl servers drain` and `ftl servers resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.project import load_target
from ftl.cli.running.operation import OperationCall, changes_project
from ftl.cli.running.run import pass_options, run
from ftl.cli.views.tables import put_servers
from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.events import Emit
    from ftl.operations.views.servers import ServerStatus


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the servers of the project, or drain one.

    For each: whether it answers and takes tasks, whether its proxy sends requests to the live release, how many
    containers of the project run there, and whether it is a manager of the cluster.
    """
    if context.invoked_subcommand is None:
        list_servers()


@pass_options
def list_servers(options: Options) -> None:
    """List the servers."""
    from dataclasses import asdict

    target = load_target(options, None)
    address = target.address
    if not address.servers:
        raise UsageError(
            f"{target.project} has one server, {address.server.host}",
            hint=f"{ftl('status')} shows what runs there",
        )

    async def work(emit: Emit) -> tuple[ServerStatus, ...]:
        from ftl.operations.views.servers import servers

        machines = address.machines(project=target.project)
        return await servers(target.bare_project, machines, address.observer, emit)

    found = run(options, "servers", work, lambda servers: {"servers": list(map(asdict, servers))})
    if not options.json:
        put_servers(found)


@command.command()
@click.argument("name", metavar="SERVER")
@changes_project
def drain(call: OperationCall, name: str) -> None:
    """Move all replicas away from a server, without a failed request.

    New replicas start on the other servers and must be healthy; then all proxies switch, and the old ones finish their
    requests. After that nothing is placed on the server. Its proxy keeps running and forwards requests to the others.
    Dependencies, jobs and services with volumes stay, since they are bound to it. `ftl servers resume` undoes this.
    """
    from ftl.operations.changes.drain import plan_drain

    _require_cluster(call)
    call.run_live("servers drain", plan_drain(name), (name,), done=f"was moved away from {name}")


@command.command()
@click.argument("name", metavar="SERVER")
@changes_project
def resume(call: OperationCall, name: str) -> None:
    """Let a server that was drained take replicas again.

    The services that may run there are replaced as by `ftl restart`, so that some of their replicas are placed on it.
    """
    from ftl.operations.changes.drain import plan_resume

    _require_cluster(call)
    call.run_live("servers resume", plan_resume(name), (name,), done=f"may run on {name} again")


def _require_cluster(call: OperationCall) -> None:
    if not call.target.address.servers:
        raise UsageError(
            f"{call.target.project} has one server",
            hint=f"{ftl('maintenance on')} shows its visitors a page",
        )
