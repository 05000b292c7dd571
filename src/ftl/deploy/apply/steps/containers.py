"""Runners that create, start, check, stop and remove containers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ftl.aio import gather, shielded
from ftl.deploy.apply.replacement import replace_containers, restore_restart_policy
from ftl.deploy.apply.replacement_script import Incoming, Outgoing, Replacement
from ftl.deploy.apply.steps.resolve import resolve
from ftl.deploy.names import declared_volume
from ftl.deploy.plan.steps.base import ContainerRef, names
from ftl.deploy.plan.steps.containers import (
    EnsureVolume,
    RemoveVolumes,
    RestartContainers,
    SetRestartPolicy,
    StartContainers,
    StartDependency,
    StopAndRemove,
    StopContainers,
    StopOld,
    WaitHealthy,
)
from ftl.deploy.plan.tracks.cleanup import DEPENDENCY_STOP
from ftl.engine import labels
from ftl.engine.errors import ignoring, shortened
from ftl.engine.values import Mount
from ftl.errors import EngineError, UsageError
from ftl.events import Note
from ftl.execution.runners import Runners
from ftl.health.wait import wait_healthy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.specs import ContainerSpec

RUNNERS: Runners[DeployContext] = Runners()

UNDECIDED_STOP = 10.0
"""Seconds at most for a new container to stop when it is taken back.

No request went to it, and undoing has a limit.
"""


@RUNNERS.runs(EnsureVolume)
async def ensure_volume(context: DeployContext, step: EnsureVolume) -> None:
    """Create a named volume with the project's labels."""
    await _own_volume(context, step.name, {labels.PROJECT: step.project, labels.ROLE: labels.ROLE_VOLUME})


async def _own_volume(context: DeployContext, name: str, label_map: Mapping[str, str]) -> None:
    """Create a volume, or use the one that exists; unless it is another's, who made it since the plan.

    One without FTL's labels is used as it is: Compose created it, for example.

    Raises:
        UsageError: It is another's.
    """
    found = (await context.engine.create_volume(name, label_map)).labels
    owner, whose = found.get(labels.PROJECT), (labels.PROJECT, labels.SERVICE)
    if owner and any(found.get(label) != label_map.get(label) for label in whose):
        raise UsageError(f"the volume name {name} is taken by project {owner} on {context.engine.name}")


@RUNNERS.runs(StartDependency)
async def start_dependency(context: DeployContext, step: StartDependency) -> None:
    """Replace a dependency by a new container; the old one is parked until the decision."""
    image = await resolve(context, step.service, step.image)
    spec = image.container(step.spec, await _data_mounts(context, step, image.declared_volumes))
    context.undo.add(step, lambda: context.remove_created(step.container))
    old = _outgoing(context, step.stops)
    if step.replaces is None and not old:
        await create_and_start(context, step.container, spec)
        return
    name, fresh = (step.container, step.fresh) if step.replaces is not None else ("", "")
    if step.replaces is not None:
        old = (*old, Outgoing(step.replaces.id, DEPENDENCY_STOP, name=name, parked=step.parked))
    new = Incoming(await context.create(step.container, spec, called=fresh), DEPENDENCY_STOP, name, fresh)
    await replace_containers(context, step, Replacement(step.container, old, (new,)))


async def _data_mounts(
    context: DeployContext, step: StartDependency, declared: Iterable[str]
) -> tuple[Mount, ...]:
    """Further mounts of a dependency, by which its data outlives its container.

    Paths that its image declares as VOLUME get a named volume, where ftl.yaml mounts nothing there; nameless volumes of
    the container that it replaces are used again.
    """
    mounts = list(step.carried)
    taken = {mount.target.rstrip("/") for mount in (*step.spec.mounts, *mounts)}
    for path in declared:
        if path.rstrip("/") in taken:
            continue
        name = declared_volume(step.container, path)
        project = step.spec.labels[labels.PROJECT]
        label_map = {labels.PROJECT: project, labels.ROLE: labels.ROLE_VOLUME, labels.SERVICE: step.service}
        await _own_volume(context, name, label_map)
        context.emit(
            Note(f"{path} of {step.service} is kept in the volume {name}: its image declares VOLUME {path}")
        )
        mounts.append(Mount(name, path))
    return tuple(mounts)


@RUNNERS.runs(StartContainers)
async def start_containers(context: DeployContext, step: StartContainers) -> None:
    """Create and start the containers of a new release, side by side.

    They get their restart policy once they are healthy (`wait`).
    """
    image = await resolve(context, step.service, step.image, joins=step.joins)
    context.undo.add(step, lambda: context.remove_created(*step.containers))
    specs = [(name, image.container(spec)) for name, spec in zip(step.containers, step.specs, strict=True)]
    old = _outgoing(context, step.stops)
    if not old:
        await gather(create_and_start(context, name, spec) for name, spec in specs)
        return
    created = await gather(context.create(name, spec) for name, spec in specs)
    seconds = min(UNDECIDED_STOP, max(container.seconds for container in old))
    new = tuple(Incoming(number, seconds) for number in created)
    await replace_containers(context, step, Replacement(", ".join(step.containers), old, new))


async def create_and_start(context: DeployContext, name: str, spec: ContainerSpec) -> None:
    """Create and start a container; neither call is given up half way."""
    container = await context.create(name, spec)
    try:
        await shielded(context.engine.start(container))
    except EngineError as error:
        error.message = error.message.replace(shortened(container), name)
        raise


@RUNNERS.runs(RestartContainers)
async def restart_containers(context: DeployContext, step: RestartContainers) -> None:
    """Start containers that were stopped."""
    old = _outgoing(context, step.stops)
    if not old:
        await _start(context, step.containers)
        return
    new = tuple(Incoming(container.id, DEPENDENCY_STOP) for container in step.containers)
    await replace_containers(context, step, Replacement(names(step.containers), old, new))


@RUNNERS.runs(WaitHealthy)
async def wait(context: DeployContext, step: WaitHealthy) -> None:
    """Wait until all of a service's containers are healthy.

    From then on new ones have the restart policy of ftl.yaml.
    """

    async def work(container: ContainerRef) -> None:
        number = context.id_of(container)
        what = (step.service, container.name, step.check, context.emit)
        context.healthy[number] = await wait_healthy(
            context.engine, context.machine, *what, through_gateway=context.project.is_cluster
        )
        if not container.id:
            await restore_restart_policy(context.engine, number)

    await gather(work(container) for container in step.containers)


@RUNNERS.runs(StopOld)
async def stop_old(context: DeployContext, step: StopOld) -> None:
    """Stop the old containers first, on another server than the one that starts others.

    They are started again if the release is not decided. Until then they have no restart policy: an engine that crashed
    meanwhile would start them beside the new ones.
    """
    containers = _outgoing(context, (step,))
    before = [ContainerRef(container.id, container.id) for container in containers if container.again]
    context.undo.add(step, lambda: _start(context, before))
    for container in containers:
        await context.engine.set_restart_policy(container.id, "no")
    await gather(context.engine.stop(container.id, timeout=step.timeout) for container in containers)


def _outgoing(context: DeployContext, stops: Iterable[StopOld]) -> tuple[Outgoing, ...]:
    """The containers of these steps, as the server replaces them.

    One that an earlier step has stopped is left to that step, which is undone after everything that came later. One
    that did not run before stays stopped: what uses its data by then may be the container of another service.
    """
    running = {
        container.id
        for container in context.observed.containers
        if container.state in ("running", "restarting", "paused")
    }
    outgoing = []
    for stop in stops:
        for container in stop.containers:
            if container.id not in context.stopped:
                context.stopped.add(container.id)
                outgoing.append(Outgoing(container.id, stop.timeout, again=container.id in running))
    return tuple(outgoing)


async def _start(context: DeployContext, containers: Iterable[ContainerRef]) -> None:
    for container in containers:
        await restore_restart_policy(context.engine, container.id)
        await context.engine.start(container.id)


@RUNNERS.runs(SetRestartPolicy)
async def set_restart_policy(context: DeployContext, step: SetRestartPolicy) -> None:
    """Set the restart policy of containers, as far as they still exist."""

    async def update(container: ContainerRef) -> None:
        with ignoring(404):
            await restore_restart_policy(context.engine, container.id)

    await gather(update(container) for container in step.containers)


@RUNNERS.runs(StopContainers)
async def stop_containers(context: DeployContext, step: StopContainers) -> None:
    """Stop containers; without a restart policy, so that no reboot starts them again."""
    for container in step.containers:
        await context.engine.set_restart_policy(container.id, "no")
    await gather(context.engine.stop(container.id, timeout=step.timeout) for container in step.containers)


@RUNNERS.runs(RemoveVolumes)
async def remove_volumes(context: DeployContext, step: RemoveVolumes) -> None:
    """Remove volumes with their data."""
    await gather(context.engine.remove_volume(volume) for volume in step.volumes)


@RUNNERS.runs(StopAndRemove)
async def stop_and_remove(context: DeployContext, step: StopAndRemove) -> None:
    """Stop containers side by side, then remove them."""
    await gather(_retire(context, container, step.timeout) for container in step.containers)


async def _retire(context: DeployContext, container: ContainerRef, timeout: float) -> None:
    began = time.monotonic()
    name = container.name
    try:
        await context.engine.stop(container.id, timeout=timeout)
        if 0 < timeout <= time.monotonic() - began:
            text = f"{name} did not end on its stop signal and was killed after {timeout:g} s"
            context.emit(Note(text, hint=_IGNORES_SIGNAL))
    except EngineError as error:
        if error.status == 404:
            return
        context.emit(Note(f"{name} could not be stopped: {error.cause or error.message}", "warning"))
    await context.engine.remove(container.id, force=True)


_IGNORES_SIGNAL = (
    "this delays each deploy: let the app end on SIGTERM (or run it under an init, such as tini)"
)
