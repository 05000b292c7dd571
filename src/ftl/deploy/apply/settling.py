"""Watch new containers that got requests early, and switch back if one of them exits.

A container that answers HTTP gets requests at once, before it has settled (`HealthSpec.early`). The containers of the
release before run on meanwhile: nothing is committed until the new ones have settled.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.events import Note
from ftl.health.diagnosis import Exited, diagnose, has_exited
from ftl.proxy.drain import wait_drained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.plan.steps import Switch
    from ftl.engine.values import Container

DRAIN_SECONDS = 10.0
"""Limit for requests to end on the new containers after a switch back."""

_ATTEMPTS = 3
"""Attempts to switch back; without that, requests go to a release that is down."""

_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Exit:
    """A new container that exited; `code` is None where only its restart was seen."""

    container: Container
    code: int | None

    async def error(self, context: DeployContext) -> FtlError:
        """The error to raise, with the container's last log lines."""
        service = self.container.labels[labels.SERVICE]
        symptom = Exited(self.code)
        return await diagnose(context.engine, context.machine, service, self.container.name, symptom)


async def new_containers(context: DeployContext, project: str) -> list[Container]:
    """The project's containers that this run created."""
    own = {labels.PROJECT: project, labels.ROLE: labels.ROLE_SERVICE}
    created = set(context.created.values())
    return [one for one in await context.engine.containers(labels=own) if one.id in created]


async def find_exit(context: DeployContext, containers: Sequence[Container]) -> Exit | None:
    """The first container that is down, or that the engine has restarted since it was healthy."""
    states = await gather(context.engine.container(container.id) for container in containers)
    for container, state in zip(containers, states, strict=True):
        if has_exited(state, restarts=context.restarts.get(container.id, 0)):
            return Exit(container, None)
    return None


def is_settled(context: DeployContext, container: Container) -> bool:
    """Whether a container has run for long enough."""
    return context.settled_at.get(container.id, 0.0) <= asyncio.get_running_loop().time()


class Watch:
    """Waits for exits of containers; a context manager, entered before requests go to them.

    The engine answers a wait at the moment of an exit, with the code, also where it restarts the container at once.

    Args:
        context: The deploy.
        containers: Those that have not settled.
    """

    def __init__(self, context: DeployContext, containers: Sequence[Container]) -> None:
        self._context = context
        self._containers = containers
        self._waits: dict[asyncio.Task[int], Container] = {}

    async def __aenter__(self) -> Watch:
        self._waits = {
            asyncio.create_task(self._context.engine.wait(container.id)): container
            for container in self._containers
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._waits:
            task.cancel()
        await asyncio.gather(*self._waits, return_exceptions=True)

    async def exit(self) -> Exit | None:
        """Wait until all containers have settled; the first exit until then, if there is one.

        Raises:
            FtlError: The engine does not answer.
        """
        if not self._containers:
            return None
        until = max(self._context.settled_at[container.id] for container in self._containers)
        seconds = max(0.0, until - asyncio.get_running_loop().time())
        await asyncio.wait(self._waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task, container in self._waits.items():
            if task.done() and task.exception() is None:
                return Exit(container, task.result())
        if any(task.done() for task in self._waits):  # a wait was cut: look at them in the end
            await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))
        return await find_exit(self._context, self._containers)


async def switch_back(context: DeployContext, step: Switch, before: Mapping[str, str], end: Exit) -> bool:
    """Send requests to the release before again, and let the new containers finish theirs.

    Args:
        context: The deploy.
        step: The switch to take back.
        before: Service -> alias, as it was; a service that is missing answered nothing.
        end: Why.

    Returns:
        Whether that was possible.
    """
    for attempt in range(_ATTEMPTS):
        try:
            await _restore(context, step, before)
            break
        except FtlError:
            if attempt == _ATTEMPTS - 1:
                return False
            await asyncio.sleep(_PAUSE)
    context.switch.taken_back = True
    context.emit(
        Note(
            f"{end.container.name} exited after the switch: requests go to the release before again",
            "warning",
        )
    )
    addresses = [
        endpoint.address
        for container in await new_containers(context, step.project)
        for endpoint in container.endpoints
        if endpoint.address
    ]
    await wait_drained(context.proxy.in_flight, addresses, DRAIN_SECONDS, context.emit)
    return True


async def _restore(context: DeployContext, step: Switch, before: Mapping[str, str]) -> None:
    """Restore live files that still say what this switch wrote: without the lock, another deploy may have switched."""
    state = await context.proxy.observe()
    live = state.live if state is not None else {}
    ours = [name for name, alias in step.aliases.items() if live.get((step.project, name)) == alias]
    await context.proxy.switch(step.project, {name: before[name] for name in ours if name in before})
    unknown = [name for name in ours if name not in before]
    if unknown:
        await context.proxy.remove_routes(step.project, unknown)
