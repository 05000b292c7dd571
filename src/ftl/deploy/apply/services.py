"""Runners that create Swarm services, prove their tasks from the network, and remove them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, shielded, task_group
from ftl.deploy.apply.images import resolve
from ftl.deploy.apply.runners import Runners
from ftl.deploy.plan.steps import CreateService, RemoveServices, WaitTasks
from ftl.engine import labels
from ftl.engine.services import ServiceSpec
from ftl.errors import EngineError, Place, Unhealthy
from ftl.health.wait import wait_healthy

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.services import SwarmTask
    from ftl.host.session import Session

RUNNERS = Runners()

TASK_SECONDS = 60.0
"""Limit for a task to get a container, beyond the check's own `start_period`."""

_PAUSE = 0.3
"""Seconds between two looks at the tasks."""

_FAILED = ("failed", "rejected")


@RUNNERS.runs(CreateService)
async def create_service(context: DeployContext, step: CreateService) -> None:
    """Create the service of a release; undoing removes it, and with it all its tasks."""
    image = await resolve(context, step.service, step.image)
    spec = replace(
        step.spec,
        image=await _common_id(context, image.reference),
        labels={**step.spec.labels, labels.IMAGE: image.reference},
    )

    async def create() -> None:
        service = ServiceSpec(step.name, spec, step.replicas, step.constraints)
        context.created[step.name] = await context.fleet.first.engine.create_service(service)

    async def undo() -> None:
        if step.name in context.created:
            await context.fleet.first.engine.remove_service(context.created[step.name])

    context.undo.add(step, undo)
    await shielded(create())


async def _common_id(context: DeployContext, reference: str) -> str:
    """The ID of an image where it is the same on all servers; else the reference.

    Swarm looks for an image by its ID on the node alone. For one by name it asks a registry first, where somebody else
    may have put an image of that name. IDs differ where the engines do not store images alike.
    """
    images = await gather(session.engine.image(reference) for session in context.fleet)
    found = {image.id for image in images if image is not None}
    return found.pop() if len(found) == 1 else reference


@RUNNERS.runs(WaitTasks)
async def wait_tasks(context: DeployContext, step: WaitTasks) -> None:
    """Wait until each task of a service is healthy, as its own node sees it."""
    service = context.created[step.name]
    slots = range(1, step.replicas + 1)
    async with task_group() as group:
        for slot in slots:
            group.create_task(_wait_slot(context, step, service, slot))


async def _wait_slot(context: DeployContext, step: WaitTasks, service: str, slot: int) -> None:
    task = await _running(context, step, service, slot)
    session = _session_of(context, task)
    if session is None:
        raise _unhealthy(step, f"its task {slot} runs on a server that cannot be reached")
    healthy = await wait_healthy(
        session.engine,
        session.machine,
        service=step.service,
        container=task.container,
        check=step.check,
        emit=context.emit,
        through_gateway=True,
    )
    context.created[f"{step.name}.{slot}"] = task.container
    context.restarts[task.container] = healthy.restarts
    context.settled_at[task.container] = healthy.settled_at


async def _running(context: DeployContext, step: WaitTasks, service: str, slot: int) -> SwarmTask:
    """The running task of a replica, once there is one.

    Raises:
        Unhealthy: It was rejected, or its container exited, after `start_period`; or there is none in time.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        tasks = [task for task in await context.fleet.first.engine.tasks(service) if task.slot == slot]
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


async def _failure(context: DeployContext, step: WaitTasks, task: SwarmTask) -> Unhealthy:
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


def _unhealthy(step: WaitTasks, cause: str) -> Unhealthy:
    return Unhealthy(f"{step.service} did not become healthy", cause=cause, place=Place(service=step.service))


def _session_of(context: DeployContext, task: SwarmTask) -> Session | None:
    return next((session for session in context.fleet if session.info.node == task.node), None)


@RUNNERS.runs(RemoveServices)
async def remove_services(context: DeployContext, step: RemoveServices) -> None:
    """Remove services; their nodes stop the tasks by themselves, within the stop timeout."""
    await gather(context.fleet.first.engine.remove_service(service.id) for service in step.services)
