"""Runner that tries the way from each proxy to a new release."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.plan.steps.proxy import ReachFromProxies
from ftl.errors import ErrorContext, FtlError, Unhealthy
from ftl.execution.runners import Runners

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.proxy.reach import Reach

RUNNERS: Runners[DeployContext] = Runners()

SECONDS = 20.0
"""Limit for a name to be known on a server, and for its containers to answer there.

Names took up to 2 s after the start of the tasks (26.1).
"""


@RUNNERS.runs(ReachFromProxies)
async def reach(context: DeployContext, step: ReachFromProxies) -> None:
    """Try the way from this server's proxy; health was seen from a task's own server.

    Raises:
        Unhealthy: A name is not known there, or its containers do not answer.
    """
    missed = await context.proxy.reach(step.alias, step.port, step.replicas, seconds=SECONDS)
    if missed is None:
        return
    server = context.session.name
    raise Unhealthy(
        f"the proxy on {server} does not reach {step.service}",
        cause=await _cause(context, step, missed),
        hint=f"packets between the servers have to pass in both directions (4789/udp): {ftl('setup')} tries that",
        place=ErrorContext(service=step.service, server=server),
    )


async def _cause(context: DeployContext, step: ReachFromProxies, missed: Reach) -> str:
    if not missed.silent:
        return f"its name has {missed.found} of {missed.expected} addresses there"
    places: dict[str, str] = {}
    with suppress(FtlError):  # for people alone
        names = {session.info.node: session.name for session in context.fleet}
        for task in await context.fleet.first.engine.tasks():
            places |= {address: names.get(task.node, "") for address in task.addresses.values()}
    listed = (
        f"{address} on {places[address]}" if places.get(address) else address for address in missed.silent
    )
    return f"{', '.join(listed)} does not answer on port {step.port}"
