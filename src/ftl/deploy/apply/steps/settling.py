"""New containers that got requests early: switch back if one exits or fails its check.

A container that answers HTTP gets requests at once, before it has settled (`HealthSpec.early`). The containers of the
release before run on meanwhile: nothing is committed until the new ones have settled, and pass their check again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from ftl.aio import cancel, gather, gather_all
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.events import Note
from ftl.health.diagnosis import Exited, Unresponsive, diagnose, has_exited
from ftl.health.probe import answers_still
from ftl.proxy.drain import wait_drained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.plan.steps.proxy import Switch
    from ftl.engine.values import Container
    from ftl.health.probe import ProbeResult
    from ftl.health.spec import HealthSpec
    from ftl.health.wait import Healthy
    from ftl.host.session import Session

    Before = Mapping[str, Mapping[str, str]]

DRAIN_SECONDS = 10.0
"""Limit for requests to end on the new containers after a switch back."""

_ATTEMPTS = 3
"""Attempts to switch back; without that, requests go to a release that is down."""

_PAUSE = 0.5

_CHECKS = 3
"""Checks in a row that a container must fail to be taken back."""

_CHECK_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class NewContainer:
    """A container that this run created, and its server."""

    session: Session
    container: Container

    @property
    def id(self) -> str:
        """Its ID."""
        return self.container.id


@dataclass(frozen=True, slots=True)
class ContainerFailure:
    """A new container that exited, or that passed its check and does not any more."""

    new: NewContainer
    symptom: Exited | Unresponsive

    @property
    def words(self) -> str:
        """Verb for a note."""
        return "exited" if isinstance(self.symptom, Exited) else "failed its health check"

    async def error(self) -> FtlError:
        """The error to raise, with the container's last log lines."""
        session, container = self.new.session, self.new.container
        service = container.labels[labels.SERVICE]
        return await diagnose(session.engine, session.machine, service, container.name, self.symptom)


async def new_containers(context: DeployContext, project: str) -> list[NewContainer]:
    """The project's containers that this run created, on all servers."""
    own = {labels.PROJECT: project, labels.ROLE: labels.ROLE_SERVICE}
    created = set(context.created.values())
    sessions = [*context.fleet]
    listed = await gather(session.engine.containers(labels=own) for session in sessions)
    return [
        NewContainer(session, container)
        for session, containers in zip(sessions, listed, strict=True)
        for container in containers
        if container.id in created
    ]


async def find_exit(
    healthy: Mapping[str, Healthy], containers: Sequence[NewContainer]
) -> ContainerFailure | None:
    """The first container that is down, or that the engine has restarted since it was healthy.

    `healthy` has, by ID, what was found then.
    """
    states = await gather(container.session.engine.container(container.id) for container in containers)
    for container, state in zip(containers, states, strict=True):
        found = healthy.get(container.id)
        if has_exited(state, restarts=found.restarts if found is not None else 0):
            return ContainerFailure(container, Exited())
    return None


async def find_failure(
    healthy: Mapping[str, Healthy], containers: Sequence[NewContainer]
) -> ContainerFailure | None:
    """The first container that fails the check that it has passed before requests went to it.

    `healthy` has, by ID, how that was. The containers have settled.
    """
    checks = ((container, healthy[container.id].check) for container in containers if container.id in healthy)
    found = await gather(_failure(container, check) for container, check in checks if check.early)
    return next((failure for failure in found if failure is not None), None)


async def _failure(new: NewContainer, check: HealthSpec) -> ContainerFailure | None:
    """Check a container until it passes, or has failed several times in a row."""
    failures: list[ProbeResult] = []
    while len(failures) < _CHECKS:
        if failures:
            await asyncio.sleep(_CHECK_PAUSE)
        state = await new.session.engine.container(new.id)
        if state is None or not state.endpoints:
            return None  # it has exited, and the engine has not started it again
        result = await answers_still(new.session.machine, state.endpoints, check)
        if result.ok:
            return None
        failures.append(result)
    return ContainerFailure(new, Unresponsive(check.ports, failures[-1]))


def is_settled(context: DeployContext, container: NewContainer) -> bool:
    """Whether a container has run for long enough."""
    healthy = context.healthy.get(container.id)
    return healthy is None or healthy.settled_at <= asyncio.get_running_loop().time()


class ExitWaiter:
    """Waits for exits of containers that have not settled; entered before requests go to them.

    The engine answers a wait at the moment of an exit, with the code, also where it restarts the container at once.
    """

    def __init__(self, context: DeployContext, containers: Sequence[NewContainer]) -> None:
        self._context = context
        self._containers = containers
        self._waits: dict[asyncio.Task[int], NewContainer] = {}

    async def __aenter__(self) -> ExitWaiter:
        self._waits = {
            asyncio.create_task(container.session.engine.wait(container.id)): container
            for container in self._containers
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel(*self._waits)

    async def exit(self) -> ContainerFailure | None:
        """Wait until all containers have settled; the first exit until then, if there is one.

        Raises:
            FtlError: The engine does not answer.
        """
        if not self._containers:
            return None
        until = max(self._context.healthy[container.id].settled_at for container in self._containers)
        seconds = max(0.0, until - asyncio.get_running_loop().time())
        await asyncio.wait(self._waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task, container in self._waits.items():
            if task.done() and task.exception() is None:
                return ContainerFailure(container, Exited(task.result()))
        if any(task.done() for task in self._waits):  # a wait was cut: look at them in the end
            await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))
        return await find_exit(self._context.healthy, self._containers)


async def switch_back(
    context: DeployContext, step: Switch, before: Before, failure: ContainerFailure
) -> bool:
    """Send requests to the release before again, and let the new containers finish theirs.

    `before` has the live files of each proxy. Returns whether that was possible.
    """
    for attempt in range(_ATTEMPTS):
        try:
            await restore(context, step, before)
            break
        except FtlError:
            if attempt == _ATTEMPTS - 1:
                return False
            await asyncio.sleep(_PAUSE)
    context.switch.switched_back = True
    what = f"{failure.new.container.name} {failure.words} after the switch"
    context.emit(Note(f"{what}: requests go to the previous release again", "warning"))
    addresses = [
        endpoint.address
        for new in await new_containers(context, step.project)
        for endpoint in new.container.endpoints
        if endpoint.address
    ]
    await wait_drained(lambda: in_flight(context, step.servers), addresses, DRAIN_SECONDS, context.emit)
    return True


async def in_flight(context: DeployContext, servers: Sequence[str]) -> dict[str, int]:
    """Requests in flight by upstream address, in all proxies."""
    total: Counter[str] = Counter()
    for counts in await gather(at.proxy.in_flight() for at in context.each(servers)):
        total.update(counts)
    return dict(total)


async def restore(context: DeployContext, step: Switch, before: Before) -> None:
    """Write each proxy's live files as they were before the switch.

    Raises:
        FtlError: A proxy does not answer; the others are restored.
    """
    contexts = context.each(step.servers)
    await gather_all(_restore(at, step, before.get(at.session.name, {})) for at in contexts)


async def _restore(context: DeployContext, step: Switch, before: Mapping[str, str]) -> None:
    """Restore live files that this switch wrote; without the lock, another deploy may have switched since."""
    state = await context.proxy.observe()
    live = state.live if state is not None else {}
    ours = [name for name, alias in step.aliases.items() if live.get((step.project, name)) == alias]
    await context.proxy.switch(step.project, {name: before[name] for name in ours if name in before})
    unknown = [name for name in ours if name not in before]
    if unknown:
        await context.proxy.remove_routes(step.project, unknown)
