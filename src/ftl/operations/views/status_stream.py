"""Status of a project again and again, with its use of processor and memory. Read-only."""

from __future__ import annotations

import asyncio
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.config.models.server import WEB
from ftl.dataclass import dataclass
from ftl.deploy.observe.swarm import located_container
from ftl.errors import EngineUnavailable, FtlError
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.host.reconnecting import reconnecting_fleet
from ftl.operations.views.logs.following import keep_connected
from ftl.operations.views.status import gather_cluster_status, gather_status, status
from ftl.proxy.access import parse_figures
from ftl.proxy.control import ProxyControl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from ftl.config.models.project import Project
    from ftl.deploy.observe.observer import Observe
    from ftl.deploy.observe.state import Observed
    from ftl.engine.values import ContainerStats
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.operations.views.status import Status, StatusFacts
    from ftl.operations.views.units import Unit
    from ftl.proxy.access import RequestFigures

REQUEST_SECONDS = 10
"""Seconds before a look whose requests count."""

SAMPLE_SECONDS = 2.0
"""Seconds between the end of a look and the next one."""

LOOK_SECONDS = 60.0
"""Limit for one look at several servers, with the first connections to them."""


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
class StatusSample:
    """One look at the server, or at those of a cluster.

    Attributes:
        usage: For each unit of the status, in order; None where nothing of it runs.
        requests: Service -> figures of its requests in the last REQUEST_SECONDS; not of services that had none.
    """

    status: Status
    usage: tuple[Usage | None, ...]
    requests: Mapping[str, RequestFigures] = field(default_factory=dict)

    def requests_of(self, unit: Unit) -> RequestFigures | None:
        """Figures of a unit: those of a service belong to its live release."""
        return self.requests.get(unit.name) if unit.kind == "service" and unit.live else None


async def follow_status(
    project: Project,
    connect: Callable[[], AbstractAsyncContextManager[Session]],
    show: Callable[[StatusSample], None],
    emit: Emit,
) -> None:
    """Show the status on one server until cancelled, also across lost connections.

    Notes say when the connection is lost and when it is back.

    Raises:
        FtlError: The first look fails.
    """
    await keep_connected(connect, _Sampler(project, show), emit)


async def follow_servers_status(
    project: Project,
    connect: Callable[[str], AbstractAsyncContextManager[Session]],
    observe: Observe,
    show: Callable[[StatusSample], None],
    emit: Emit,
) -> None:
    """Show the status of a cluster until cancelled, of the servers that answer.

    Those that do not are in the status as such. A note says why there is no status, once: no server answers, or most
    managers are gone.

    Raises:
        FtlError: The first look fails.
    """
    ticks = _Sampler(project, show)
    noted = ""

    async def look_and_show(fleet: Fleet) -> None:
        await ticks.show(fleet, await gather_cluster_status(project, fleet, observe))

    async with reconnecting_fleet([server.host for server in project.servers], connect) as servers:
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await servers.use(look_and_show)  # one that is lost meanwhile is missing the next time
                noted = ""
            except TimeoutError:
                if not ticks.began:
                    raise EngineUnavailable("the servers did not answer in time") from None
            except FtlError as error:
                if not ticks.began:
                    raise
                if error.message != noted:
                    emit(Note(error.message, "warning"))
                noted = error.message
            await asyncio.sleep(SAMPLE_SECONDS)


class _Sampler:
    """Shows looks, with the usage of units since the one before."""

    def __init__(self, project: Project, show: Callable[[StatusSample], None]) -> None:
        self.began = False
        self._project = project
        self._show = show
        self._before: Mapping[str, ContainerStats] = {}

    async def follow(self, session: Session) -> None:
        """Show the status on one server until cancelled."""
        fleet = Fleet([session])
        while True:
            seen = await gather_status(self._project, session.engine, session.machine, session.info)
            await self.show(fleet, seen)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def show(self, fleet: Fleet, seen: StatusFacts) -> None:
        """Describe a look, sample the containers that run, and show both."""
        status_now = await status(self._project, fleet, seen)
        places = _places(status_now, seen.observed)
        samples, requests = await gather2(_samples(fleet, places), self._requests(fleet))
        usage = tuple(usage_of(unit, samples, self._before) for unit in status_now.units)
        self._show(StatusSample(status_now, usage, requests))
        self._before, self.began = samples, True

    async def _requests(self, fleet: Fleet) -> Mapping[str, RequestFigures]:
        """Figures from all proxies; without one that does not answer, which the status shows."""
        project = self._project
        if not any(service.proxied_port for service in project.services):
            return {}
        web = {server.host for server in project.servers if WEB in server.roles}
        asked = [session for session in fleet if len(fleet.names) == 1 or session.name in web]
        return parse_figures(*await gather(map(self._counts, asked)))

    async def _counts(self, session: Session) -> str:
        try:
            proxy = ProxyControl(session.engine, session.machine)
            return await proxy.request_counts(self._project.name, REQUEST_SECONDS)
        except EngineUnavailable:
            raise
        except FtlError:
            return ""


def _places(status_now: Status, observed: Observed) -> Mapping[str, tuple[str, str]]:
    """Container of a unit that may run -> its server, and its ID there: that of a replica is its task's."""
    known = {container.id: container for container in observed.containers}
    wanted = [one for unit in status_now.units if unit.running for one in unit.containers if one in known]
    located = {one: located_container(observed, known[one]) for one in wanted}
    return {one: (place[0], place[1].id) for one, place in located.items() if place is not None}


async def _samples(fleet: Fleet, places: Mapping[str, tuple[str, str]]) -> Mapping[str, ContainerStats]:
    """Samples of containers, by the ID that a unit has for them."""

    async def sample(host: str, container: str) -> ContainerStats | None:
        session = fleet.at(host)
        taken = await session.engine.stats(container)
        if taken is None or not session.info.memory or (taken.memory_limit or 0) < session.info.memory:
            return taken
        return replace(
            taken, memory_limit=None
        )  # the engine calls the machine's memory the limit where none is

    taken = await gather(sample(host, container) for host, container in places.values())
    return {name: sample for name, sample in zip(places, taken, strict=True) if sample is not None}


def usage_of(
    unit: Unit, samples: Mapping[str, ContainerStats], before: Mapping[str, ContainerStats]
) -> Usage | None:
    """Use of the server by a unit, from two samples of its containers. Pure.

    The samples are the latest and the ones before, by container.
    """
    own = [(samples[name], before.get(name)) for name in unit.containers if name in samples]
    if not own:
        return None
    busy = [
        max(0.0, now.cpu_seconds - then.cpu_seconds) / (now.seconds - then.seconds)
        for now, then in own
        if then is not None and now.seconds > then.seconds
    ]
    limits = [now.memory_limit for now, _ in own if now.memory_limit is not None]
    return Usage(
        cpu=sum(busy) if busy else None,
        memory=sum(now.memory for now, _ in own),
        memory_limit=sum(limits) if len(limits) == len(own) else None,
    )
