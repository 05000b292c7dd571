"""Replacement of containers as one action of the server, which ends in either state.

Between two calls of ours anything may happen to us: a `kill -9`, a cable that is pulled. A database that was stopped
and not yet replaced would stay down until the next deploy. So a script on the server does all of it with its own docker
command, and takes it back if we are gone before the plan is decided.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.aio import gather, shielded
from ftl.deploy.apply.replacement_script import Replacement, ReplacementScript
from ftl.engine import labels
from ftl.engine.errors import ignoring
from ftl.locks.lock import DeployLock
from ftl.locks.script_lines import NO_LOCK

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.apply.replacement_script import Incoming, Outgoing
    from ftl.deploy.plan.steps.base import Step
    from ftl.engine.api import Engine


async def restore_restart_policy(engine: Engine, container: str) -> None:
    """Give a container the restart policy that it was created with."""
    state = await engine.container(container)
    policy = state.labels.get(labels.RESTART, "always") if state is not None else "always"
    await engine.set_restart_policy(container, policy)


async def replace_containers(context: DeployContext, step: Step, replacement: Replacement) -> None:
    """Stop containers and start others in their place.

    If these do not start, the first are started again. So does undoing, and the server by itself if FTL is gone.

    Raises:
        EngineError: The new ones do not start.
        ServerError: The server does not say whether it was done.
    """
    script = await _script(context)
    if script is None:
        context.undo.add(step, lambda: _back_by_calls(context, replacement))
        await shielded(_by_calls(context, replacement))
        return
    number = script.begin(replacement)
    context.undo.add(step, lambda: script.back(number))
    await shielded(script.replace(number))


async def _script(context: DeployContext) -> ReplacementScript | None:
    """The script on a server, which the first replacement there starts."""
    running = context.replacing.get(context.server)
    if running is None:
        # In a cluster what is decided may be on other servers alone.
        lock = DeployLock(context.machine, context.project.name, context.info.id)
        script_lock = (
            NO_LOCK if context.observed.is_cluster else lock.for_script(f"takes back {context.operation}")
        )
        opening = ReplacementScript.open(context.machine, script_lock, context.proof)
        running = context.replacing[context.server] = asyncio.create_task(opening)
        context.undo.at_end(lambda completed: _end(context, context.server, completed=completed))
    return await shielded(_result(running))


async def _result(running: asyncio.Task[ReplacementScript | None]) -> ReplacementScript | None:
    return await asyncio.shield(running)


def _end(context: DeployContext, server: str, *, completed: bool) -> None:
    running = context.replacing.pop(server)
    if running.done() and not running.cancelled() and running.exception() is None:
        script = running.result()
        if script is not None:
            script.end(completed=completed)
    running.cancel()


# --- where the server has no docker command -----------------------------------------------------------


async def _by_calls(context: DeployContext, replacement: Replacement) -> None:
    """Do it by calls of the API. Nobody takes it back if FTL is gone."""
    engine = context.engine
    await _stop(engine, replacement.old)
    try:
        for old in replacement.old:
            if old.parked:
                await engine.rename(old.id, old.parked)
        for new in replacement.new:
            if new.name:
                await engine.rename(new.id, new.name)
            await restore_restart_policy(engine, new.id)
            await engine.start(new.id)
    except BaseException:
        await _back_by_calls(context, replacement)
        raise


async def _back_by_calls(context: DeployContext, replacement: Replacement) -> None:
    engine = context.engine
    await _stop(engine, replacement.new)
    for new in replacement.new:
        if new.fresh:
            with ignoring(404):
                await engine.rename(new.id, new.fresh)
    for old in replacement.old:
        state = await engine.container(old.id)
        if state is None or state.running:
            continue
        if old.name and state.name != old.name:
            await engine.rename(old.id, old.name)
        if old.again:
            await restore_restart_policy(engine, old.id)
            await engine.start(old.id)


async def _stop(engine: Engine, containers: tuple[Outgoing, ...] | tuple[Incoming, ...]) -> None:
    async def stop(container: Outgoing | Incoming) -> None:
        with ignoring(404):
            await engine.stop(container.id, timeout=container.seconds)
            await engine.set_restart_policy(container.id, "no")

    await gather(stop(container) for container in containers)
