"""Runners that create Swarm services, prove their tasks from the network, and remove them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2, shielded, task_group
from ftl.deploy.apply.steps.consensus import SwarmServiceCreation, with_consensus
from ftl.deploy.apply.steps.resolve import resolve
from ftl.deploy.observe.swarm import service_id
from ftl.deploy.plan.steps.swarm_services import (
    AdmitServer,
    CreateSwarmService,
    RemoveSwarmServices,
    SetDrained,
    StartSwarmServices,
    StopSwarmServices,
    WaitSwarmTasks,
)
from ftl.engine import labels
from ftl.engine.calls.services import ServiceSpec
from ftl.errors import EngineError, ErrorContext, Unhealthy
from ftl.events import Note
from ftl.execution.runners import Runners
from ftl.health.wait import wait_healthy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.plan.steps.base import ContainerRef
    from ftl.engine.calls.services import SwarmTask
    from ftl.host.session import Session

RUNNERS: Runners[DeployContext] = Runners()

TASK_SECONDS = 60.0
"""Limit for a task to get a container, beyond the check's own `start_period`."""

_PAUSE = 0.3
"""Seconds between two looks at the tasks."""

_FAILED = ("failed", "rejected")

_END_SECONDS = 15.0
"""Seconds beyond the stop timeout until the container of a task has ended."""

_REMOVED_SECONDS = 60.0
"""Limit for tasks of a removed service to end; those with a longer stop timeout end by themselves."""


@RUNNERS.runs(CreateSwarmService)
async def create_service(context: DeployContext, step: CreateSwarmService) -> None:
    """Create the service of a release; undoing removes it, and with it all its tasks."""
    image = await resolve(context, step.service, step.image)
    spec = image.task(step.spec, await _common_id(context, image.reference))
    service = ServiceSpec(step.name, spec, step.replicas, step.constraints)
    known = {service_id(one) for one in context.observed.containers}
    creation = SwarmServiceCreation(context.fleet.first.engine, service, known)

    async def create() -> None:
        context.created[step.name] = await creation.create()

    context.undo.add(step, creation.remove)
    await shielded(create())


async def _common_id(context: DeployContext, reference: str) -> str:
    """The ID of an image where it is the same on all servers; else the reference.

    Swarm looks for an image by its ID on the node alone. For one by name it asks a registry first, where somebody else
    may have put an image of that name. IDs differ where the engines do not store images alike.
    """
    images = await gather(session.engine.image(reference) for session in context.fleet)
    found = {image.id for image in images if image is not None}
    return found.pop() if len(found) == 1 else reference


@RUNNERS.runs(WaitSwarmTasks)
async def wait_tasks(context: DeployContext, step: WaitSwarmTasks) -> None:
    """Wait until each task of a service is healthy, as its own node sees it."""
    service = context.created[step.name]
    slots = range(1, step.replicas + 1)
    async with task_group() as group:
        for slot in slots:
            group.create_task(_wait_slot(context, step, service, slot))


async def _wait_slot(context: DeployContext, step: WaitSwarmTasks, service: str, slot: int) -> None:
    task = await _running(context, step, service, slot)
    session = _session_of(context, task)
    if session is None:
        raise _unhealthy(step, f"its task {slot} runs on a server that cannot be reached")
    what = (step.service, task.container, step.check, context.emit)
    healthy = await wait_healthy(session.engine, session.machine, *what, through_gateway=True)
    context.created[f"{step.name}.{slot}"] = task.container
    context.healthy[task.container] = healthy


async def _running(context: DeployContext, step: WaitSwarmTasks, service: str, slot: int) -> SwarmTask:
    """The running task of a replica, once there is one.

    Raises:
        Unhealthy: It was rejected, or its container exited, after `start_period`; or there is none in time.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    engine = context.fleet.first.engine
    while True:
        tasks = [task for task in await with_consensus(lambda: engine.tasks(service)) if task.slot == slot]
        for task in tasks:
            if task.state == "running" and task.wanted == "running" and task.container:
                return task
        failed = next((task for task in tasks if task.state in _FAILED), None)
        waited = clock() - began
        if failed is not None and waited >= step.check.start_period:
            raise await _failure(context, step, failed)
        if waited >= TASK_SECONDS + step.check.start_period:
            waiting = next((task for task in tasks if task.wanted == "running"), None)
            reason = (waiting.error or waiting.state) if waiting is not None else "it has no task"
            raise _unhealthy(step, f"replica {slot} does not start: {reason}")
        await asyncio.sleep(_PAUSE)


async def _failure(context: DeployContext, step: WaitSwarmTasks, task: SwarmTask) -> Unhealthy:
    """The error for a task that failed, with the last lines of its container."""
    session = _session_of(context, task)
    where = session.name if session is not None else "a server that cannot be reached"
    error = _unhealthy(step, f"replica {task.slot} on {where}: {task.error or task.state}")
    if session is None or not task.container:
        return error
    try:
        lines = [line.text async for line in session.engine.logs(task.container, tail=30)]
    except EngineError:
        return error
    error.details = (f"the last log lines of {step.name}.{task.slot}:", *lines)
    return error


def _unhealthy(step: WaitSwarmTasks, cause: str) -> Unhealthy:
    return Unhealthy(
        f"{step.service} did not become healthy", cause=cause, place=ErrorContext(service=step.service)
    )


def _session_of(context: DeployContext, task: SwarmTask) -> Session | None:
    return next((session for session in context.fleet if session.info.node == task.node), None)


@RUNNERS.runs(RemoveSwarmServices)
async def remove_services(context: DeployContext, step: RemoveSwarmServices) -> None:
    """Remove services; their nodes stop the tasks by themselves, within the stop timeout.

    While a server is down, their end is waited for: it comes back with a proxy that still leads to these tasks, and may
    do so in the 5 seconds that Swarm takes to stop them.
    """

    async def remove(service: ContainerRef) -> None:
        await with_consensus(lambda: context.fleet.first.engine.remove_service(service.id))
        if step.waits or context.fleet.missing:
            own = {labels.SWARM_SERVICE: service.id}
            if running := await _ended(context.fleet, own, _REMOVED_SECONDS, removed=step.waits):
                context.emit(Note(f"{service.name} is still stopping on {', '.join(running)}"))

    await gather(map(remove, step.services))


@RUNNERS.runs(StopSwarmServices)
async def stop_services(context: DeployContext, step: StopSwarmServices) -> None:
    """Stop the tasks of services, and wait until they have ended."""
    engine = context.fleet.first.engine

    async def stop(service: ContainerRef, replicas: int) -> None:
        await with_consensus(lambda: engine.scale_service(service.id, 0, {labels.STOPPED: str(replicas)}))
        own = {labels.SWARM_SERVICE: service.id}
        running = await _ended(context.fleet, own, step.timeout + _END_SECONDS)
        if running:
            raise EngineError(
                f"tasks of {service.name} are still running on {', '.join(running)}",
                cause=f"they did not end within {step.timeout + _END_SECONDS:g} s",
            )

    await gather(
        stop(service, replicas) for service, replicas in zip(step.services, step.replicas, strict=True)
    )


async def _ended(
    sessions: Iterable[Session], own: Mapping[str, str], seconds: float, *, removed: bool = False
) -> list[str]:
    """Wait until no task with these labels runs on servers; the servers where some do after that time.

    The servers' own engines are asked: managers tell nothing of the tasks of a service that was removed. Swarm removes
    their containers a moment after they end, which `removed` waits for, too: until then an engine does not remove their
    image.
    """

    async def runs(session: Session) -> bool:
        containers = await session.engine.containers(labels=own)
        tasks = [one for one in containers if labels.SWARM_SERVICE in one.labels]
        return any(removed or one.state == "running" for one in tasks)

    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    sessions = list(sessions)
    while True:
        answers = await gather(map(runs, sessions))
        running = [session.name for session, is_running in zip(sessions, answers, strict=True) if is_running]
        if not running or clock() >= until:
            return running
        await asyncio.sleep(_PAUSE)


@RUNNERS.runs(StartSwarmServices)
async def start_services(context: DeployContext, step: StartSwarmServices) -> None:
    """Give services their replicas again."""
    engine = context.fleet.first.engine

    async def start(service: ContainerRef, replicas: int) -> None:
        context.created[service.name] = service.id
        await with_consensus(lambda: engine.scale_service(service.id, replicas, {labels.STOPPED: None}))

    await gather(
        start(service, replicas) for service, replicas in zip(step.services, step.replicas, strict=True)
    )


@RUNNERS.runs(AdmitServer)
async def admit_server(context: DeployContext, step: AdmitServer) -> None:
    """Give a node the label that all services ask for; undoing takes it away."""
    swarm, node = context.fleet.first.engine.swarm, context.fleet.require(step.server).info.node
    label = labels.node_role(context.project.name, labels.ANY_ROLE)
    context.undo.add(step, lambda: swarm.update_node(node, labels={label: None}))
    await shielded(with_consensus(lambda: swarm.update_node(node, labels={label: "true"})))


@RUNNERS.runs(SetDrained)
async def set_drained(context: DeployContext, step: SetDrained) -> None:
    """Label a node as drained for the project, or take the label away; undoing restores it.

    Not Swarm's availability: a container cannot join an overlay on a node that is not active (20.10, 26.1, 28.5), so
    its proxy would not start again after a reboot. Services have a constraint for the label. Those of other projects
    do not, and a note names them.
    """
    manager, node = context.fleet.first, context.fleet.require(step.server).info.node
    label = labels.node_drained(context.project.name)
    before = next((one for one in await manager.engine.swarm.nodes() if one.id == node), None)
    if step.value and (staying := await _staying(context, node)):
        context.emit(
            Note(
                f"{', '.join(staying)} of another project still runs on {step.server}",
                "warning",
                hint=f"`ftl servers drain {step.server}` in that project moves it away",
            )
        )

    async def undo() -> None:
        old = before.labels.get(label) if before is not None else None
        availability = before.availability if before is not None else None
        await manager.engine.swarm.update_node(node, labels={label: old}, availability=availability)

    context.undo.add(step, undo)
    value, availability = ("true", None) if step.value else (None, "active")
    change = manager.engine.swarm.update_node
    await shielded(with_consensus(lambda: change(node, labels={label: value}, availability=availability)))
    if step.value:  # the old tasks may still finish their work: a reboot has to wait for them
        own = {labels.PROJECT: context.project.name}
        if await _ended([context.fleet.require(step.server)], own, _REMOVED_SECONDS):
            context.emit(
                Note(f"tasks of {context.project.name} are still stopping on {step.server}", "warning")
            )


async def _staying(context: DeployContext, node: str) -> list[str]:
    """Names of the Swarm services of other projects with tasks that shall run on a node."""
    services, tasks = await gather2(context.fleet.first.engine.services(), context.fleet.first.engine.tasks())
    staying = {task.service for task in tasks if task.node == node and task.wanted == "running"}
    own = context.project.name
    others = (service for service in services if service.labels.get(labels.PROJECT) != own)
    return sorted(service.name for service in others if service.id in staying)
