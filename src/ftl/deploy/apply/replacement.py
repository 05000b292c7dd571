"""Replacement of a container as one action of the server, which ends in either state.

Between two calls of ours anything may happen to us: a `kill -9`, a cable that is pulled. A database that was stopped
and not yet replaced would stay down until the next deploy. So the server gets one command, and does all of it with its
own docker command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.programs import program
from ftl.deploy.plan.tracks.cleanup import DEPENDENCY_STOP
from ftl.engine import labels
from ftl.errors import EngineError
from ftl.proxy.docker_script import NO_DOCKER, docker_script

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.api import Engine

_START_SECONDS = 120.0


async def restore_restart_policy(engine: Engine, container: str) -> None:
    """Give a container the restart policy that it was created with."""
    state = await engine.container(container)
    policy = state.labels.get(labels.RESTART, "always") if state is not None else "always"
    await engine.set_restart_policy(container, policy)


async def replace_container(
    context: DeployContext,
    old: str,
    new: str,
    *,
    name: str,
    parked: str,
    fresh: str,
    seconds: float = DEPENDENCY_STOP,
) -> None:
    """Stop a container and start another in its place; if that fails, start the first again.

    Args:
        context: The server.
        old: ID of the container that runs.
        new: ID of the one to run instead.
        name: The name that both want.
        parked: The name of the old one afterwards.
        fresh: The name of the new one where it has to give way again.
        seconds: Time for the old one to stop.

    Raises:
        EngineError: The new one does not start.
        ServerError: The server does not say whether it was done.
    """
    script, stop = program("ftl.deploy", "apply/replacement.sh"), str(round(seconds))
    argv = docker_script(context.machine, script, "ftl-replace", old, new, name, parked, fresh, stop)
    done = await context.machine.run(argv, timeout=2 * seconds + _START_SECONDS)
    if done.exit_code == NO_DOCKER:
        await _by_calls(context, old, new, name=name, parked=parked, fresh=fresh, seconds=seconds)
    elif done.exit_code != 0:
        cause = done.stderr.decode("utf-8", "replace").strip()
        raise EngineError(f"{name} does not start", cause=cause or None)


async def _by_calls(
    context: DeployContext, old: str, new: str, *, name: str, parked: str, fresh: str, seconds: float
) -> None:
    """Do the same by calls of the API, where the server has no docker command."""
    engine = context.engine
    await engine.stop(old, timeout=seconds)
    await engine.set_restart_policy(old, "no")
    try:
        await engine.rename(old, parked)
        await engine.rename(new, name)
        await restore_restart_policy(engine, new)
        await engine.start(new)
    except EngineError:
        await engine.stop(new, timeout=seconds)
        await engine.set_restart_policy(new, "no")
        await engine.rename(new, fresh)
        await engine.rename(old, name)
        await restore_restart_policy(engine, old)
        await engine.start(old)
        raise
