"""Status of a project again and again, with its use of processor and memory. Read-only."""

from __future__ import annotations

import asyncio
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.dataclass import dataclass
from ftl.errors import EngineUnavailable, FtlError
from ftl.operations.views.following import keep_connected
from ftl.operations.views.status import status
from ftl.proxy.control import ProxyControl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from ftl.config.models.project import Project
    from ftl.engine.values import ContainerStats
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.operations.views.status import Status
    from ftl.operations.views.units import Unit
    from ftl.proxy.access import Figures

REQUEST_SECONDS = 10
"""Seconds before a look whose requests count."""

TICK_SECONDS = 2.0
"""Seconds between the end of a look and the next one."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Use of the server by the containers of a unit.

    Attributes:
        cpu: Processors that it keeps busy: 0.5 is half of one; None until there are two samples.
        memory: Bytes.
        memory_limit: Bytes, the sum of the containers' limits; None where one has no limit.
    """

    cpu: float | None
    memory: int
    memory_limit: int | None


@dataclass(frozen=True, slots=True)
class Tick:
    """One look at the server.

    Attributes:
        usage: For each unit of the status, in order; None where nothing of it runs.
        requests: Service -> figures of its requests in the last REQUEST_SECONDS; not of services that had none.
    """

    status: Status
    usage: tuple[Usage | None, ...]
    requests: Mapping[str, Figures] = field(default_factory=dict)

    def requests_of(self, unit: Unit) -> Figures | None:
        """Figures of a unit: those of a service belong to its live release."""
        return self.requests.get(unit.name) if unit.kind == "service" and unit.live else None


async def watch(
    project: Project,
    connect: Callable[[], AbstractAsyncContextManager[Session]],
    show: Callable[[Tick], None],
    emit: Emit,
) -> None:
    """Show the status until cancelled, also across lost connections.

    Notes say when the connection is lost and when it is back.

    Raises:
        FtlError: The first look fails.
    """
    before: Mapping[str, ContainerStats] = {}
    shown = False

    async def work(session: Session) -> None:
        nonlocal before, shown
        while True:
            status_now = await status(project, session)
            samples = await _samples(session, status_now)
            machine = session.info.memory
            usage = tuple(usage_of(unit, samples, before, machine) for unit in status_now.units)
            show(Tick(status_now, usage, await _requests(project, session)))
            before, shown = samples, True
            await asyncio.sleep(TICK_SECONDS)

    await keep_connected(connect, work, lambda: shown, emit)


async def _requests(project: Project, session: Session) -> Mapping[str, Figures]:
    """Figures from the proxy; none where it does not answer, which the status shows."""
    if not any(service.proxied_port for service in project.services):
        return {}
    try:
        proxy = ProxyControl(session.engine, session.machine)
        return await proxy.request_figures(project.name, REQUEST_SECONDS)
    except EngineUnavailable:
        raise
    except FtlError:
        return {}


async def _samples(session: Session, status_now: Status) -> Mapping[str, ContainerStats]:
    containers = [container for unit in status_now.units if unit.running for container in unit.containers]
    taken = await gather(session.engine.stats(container) for container in containers)
    return {name: sample for name, sample in zip(containers, taken, strict=True) if sample is not None}


def usage_of(
    unit: Unit, samples: Mapping[str, ContainerStats], before: Mapping[str, ContainerStats], machine: int
) -> Usage | None:
    """Use of the server by a unit, from two samples of its containers. Pure.

    The samples are the latest and the ones before, by container. `machine` is the bytes of the server's memory, which
    the engine calls the limit of a container that has none.
    """
    own = [(samples[name], before.get(name)) for name in unit.containers if name in samples]
    if not own:
        return None
    busy = [
        max(0.0, now.cpu_seconds - then.cpu_seconds) / (now.seconds - then.seconds)
        for now, then in own
        if then is not None and now.seconds > then.seconds
    ]
    limits = [now.memory_limit for now, _ in own]
    return Usage(
        cpu=sum(busy) if busy else None,
        memory=sum(now.memory for now, _ in own),
        memory_limit=sum(limits) if all(not machine or limit < machine for limit in limits) else None,
    )
