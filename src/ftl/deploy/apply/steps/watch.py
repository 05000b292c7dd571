"""Runner that has the server watch a release, see docs/decisions/0028."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.deploy.plan.steps.watch import WatchRelease
from ftl.errors import ServerError
from ftl.execution.runners import Runners
from ftl.host.lock import DeployLock
from ftl.proxy.docker_script import NO_DOCKER, docker_script
from ftl.proxy.names import ACCESS_LOG, ADMIN, ProxyNames
from ftl.releases.store import CONTAINER, ROOT, write_watch
from ftl.releases.watch import ReleaseWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.apply.context import DeployContext

RUNNERS: Runners[DeployContext] = Runners()

_SECONDS = 60.0
"""For the script to read the figures before the switch, and to go to the background."""


@RUNNERS.runs(WatchRelease)
async def watch_release(context: DeployContext, step: WatchRelease) -> None:
    """Start the script on the server; it ends by itself if the switch does not follow.

    Raises:
        ServerError: The server cannot run it.
    """
    watch = ReleaseWatch(step.release, step.before, step.by, context.now + step.seconds)
    await write_watch(context.engine, step.project, watch)
    script = program("ftl.host", "scripts/lock_file.sh", "scripts/watch.sh")
    arguments = (
        step.project,
        step.release,
        *(str(math.ceil(seconds)) for seconds in (step.seconds, step.stop, step.drain)),
        ProxyNames().container,
        ADMIN,
        ACCESS_LOG,
        program("ftl.proxy", "scripts/request_figures.sh"),
        program("ftl.proxy", "scripts/switch.sh"),
        CONTAINER,
        f"{ROOT}/{step.project}",
    )
    lines = (
        DeployLock(context.machine, step.project, context.info.id).key,
        f"{step.by} (watch {step.release})",
        watch.head(),
        *_services(context, step),
    )
    done = await context.machine.run(
        docker_script(context.machine, script, "ftl-watch", *arguments),
        stdin="".join(f"{line}\n" for line in lines).encode(),
        timeout=_SECONDS,
    )
    answer = done.stdout.decode("utf-8", "replace").strip()
    if answer != "watching":
        missing = "there is no `docker` on the server" if done.exit_code == NO_DOCKER else ""
        cause = missing or answer.removeprefix("failed ") or done.stderr.decode("utf-8", "replace").strip()
        raise ServerError(
            f"{context.machine.name} cannot watch {step.release}",
            cause=cause or None,
            hint=f"{ftl('deploy')} without --watch works",
        )


def _services(context: DeployContext, step: WatchRelease) -> Iterator[str]:
    for service in step.services:
        yield f"service {service.name} {service.old_alias} {service.new_alias}"
        yield from (f"{'idle' if service.idle else 'old'} {container.id}" for container in service.old)
        yield from (f"new {context.created[name]}" for name in service.new)
    for job in step.jobs:
        yield f"job {context.created[job.fresh]} {job.fresh} {job.old.id} {job.name}"
