"""How a plan's containers start, become healthy, run hooks and go."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, shielded
from ftl.deploy.apply.external_images import held_fast
from ftl.deploy.apply.hooks import run_local_hook, run_remote_hook
from ftl.deploy.plan.cleanup import DEPENDENCY_STOP
from ftl.deploy.plan.specs import aside
from ftl.engine import labels
from ftl.errors import EngineError
from ftl.events import Note
from ftl.health.wait import wait_healthy

if TYPE_CHECKING:
    from ftl.deploy.apply.context import Work
    from ftl.deploy.plan.steps import (
        EnsureVolume,
        RunHook,
        StartAgain,
        StartContainers,
        StartDependency,
        StopAndRemove,
        StopOld,
        WaitHealthy,
    )
    from ftl.engine import ContainerSpec, Engine


async def ensure_volume(work: Work, step: EnsureVolume) -> None:
    """Create a named volume with the project's labels."""
    await work.engine.create_volume(
        step.name, {labels.PROJECT: step.project, labels.ROLE: labels.ROLE_VOLUME}
    )


async def start_dependency(work: Work, step: StartDependency) -> None:
    """Create and start a dependency; the one it replaces waits aside until the release is decided."""
    if step.replaces is not None:
        work.on_failure(step, lambda: _put_back(work, step.container))
        await work.engine.stop(step.container, timeout=DEPENDENCY_STOP)
        await work.engine.rename(step.container, aside(step.container))
    image = await held_fast(work, step.service, step.spec.image)
    await create_and_start(work.engine, step.container, replace(step.spec, image=image))


async def _put_back(work: Work, container: str) -> None:
    if await work.engine.container(aside(container)) is not None:
        await work.engine.remove(container, force=True)
        await work.engine.rename(aside(container), container)
    await work.engine.start(container)


async def start_containers(work: Work, step: StartContainers) -> None:
    """Create and start the containers of a new release, side by side."""
    spec = replace(step.spec, image=await held_fast(work, step.service, step.spec.image))
    work.on_failure(step, lambda: _remove(work, step.names))
    await gather(create_and_start(work.engine, name, spec) for name in step.names)


async def create_and_start(engine: Engine, name: str, spec: ContainerSpec) -> None:
    """Create and start a container.

    Neither call is given up half way: the engine would go on with it, and make a container that nobody removes.
    """
    await shielded(engine.create(name, spec))
    await shielded(engine.start(name))


async def start_again(work: Work, step: StartAgain) -> None:
    """Start containers that were stopped."""
    for name in step.names:
        await work.engine.start(name)


async def wait(work: Work, step: WaitHealthy) -> None:
    """Wait until all of a service's containers are healthy."""
    await gather(
        wait_healthy(
            work.engine,
            work.machine,
            service=step.service,
            container=name,
            check=step.check,
            emit=work.emit,
        )
        for name in step.names
    )


async def stop_old(work: Work, step: StopOld) -> None:
    """Stop the old containers first; they are started again if the release does not come to be."""
    work.on_failure(step, lambda: _start(work, step.names))
    await gather(work.engine.stop(name, timeout=step.timeout) for name in step.names)


async def stop_and_remove(work: Work, step: StopAndRemove) -> None:
    """Stop containers side by side, then remove them."""
    await gather(_retire(work, name, step.timeout) for name in step.names)


async def _retire(work: Work, name: str, timeout: float) -> None:
    began = time.monotonic()
    try:
        await work.engine.stop(name, timeout=timeout)
        if 0 < timeout <= time.monotonic() - began:
            work.emit(
                Note(f"{name} did not end on its stop signal, and was killed after {timeout:g} s", hint=_DEAF)
            )
    except EngineError as error:
        if error.status == 404:
            return
        work.emit(Note(f"{name} could not be stopped: {error.cause or error.message}", "warning"))
    await work.engine.remove(name, force=True)


_DEAF = "a deploy takes as much longer: have the app end on SIGTERM (or start it below an init, such as tini)"


async def _remove(work: Work, names: tuple[str, ...]) -> None:
    for name in names:
        await work.engine.remove(name, force=True)


async def _start(work: Work, names: tuple[str, ...]) -> None:
    for name in names:
        await work.engine.start(name)


async def run_hook(work: Work, step: RunHook) -> None:
    """Run a hook where it belongs."""
    if step.where == "local":
        await run_local_hook(work, step)
    else:
        await run_remote_hook(work, step)
