"""Runner that has the server watch a release, see docs/decisions/0028."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.plan.steps.watch import WatchRelease
from ftl.execution.runners import Runners
from ftl.host.watch import JobContainers, ServiceContainers, WatchScript, start_watch
from ftl.locks.lock import DeployLock
from ftl.releases.file_copies import ROOT
from ftl.releases.store import write_watch
from ftl.releases.watch import ReleaseWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.apply.context import DeployContext
    from ftl.proxy.configuration.prepared import PreparedRoutes

RUNNERS: Runners[DeployContext] = Runners()


@RUNNERS.runs(WatchRelease)
async def watch_release(context: DeployContext, step: WatchRelease) -> None:
    """Record the watch, and start it; it ends by itself if the switch does not follow."""
    watch = ReleaseWatch(step.release, step.before, step.by, context.now + step.seconds)
    await write_watch(context.engine, step.project, watch)
    script = WatchScript(
        project=step.project,
        release=step.release,
        seconds=step.seconds,
        stop=step.stop,
        drain=step.drain,
        records=f"{ROOT}/{step.project}",
        lock=DeployLock(context.machine, step.project, context.info.id).key,
        holder=f"{step.by} (watch {step.release})",
        report=watch.head(),
        containers=tuple(_containers(context, step)),
        routes=await _prepared(context, step),
        crontab=step.crontab,
        also=_also(step),
    )
    await start_watch(context.machine, script)


async def _prepared(context: DeployContext, step: WatchRelease) -> PreparedRoutes | None:
    routes = step.routes
    return None if routes is None else await context.proxy.prepare_routes(routes.before, routes.after)


def _also(step: WatchRelease) -> tuple[str, ...]:
    """Services of the new routes that keep their containers."""
    routed = {route.service for route in step.routes.after.routes} if step.routes is not None else set()
    return tuple(sorted(routed - {service.name for service in step.services}))


def _containers(context: DeployContext, step: WatchRelease) -> Iterator[ServiceContainers | JobContainers]:
    for service in step.services:
        yield ServiceContainers(
            service.name,
            service.old_alias,
            service.new_alias,
            old=tuple(container.id for container in service.old),
            new=tuple(context.created[name] for name in service.new),
            idle=service.idle,
        )
    for job in step.jobs:
        name, old = (job.old.name, job.old.id) if job.old is not None else ("", "")
        yield JobContainers(name, job.fresh, new=context.created[job.fresh] if job.fresh else "", old=old)
