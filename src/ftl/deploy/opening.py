"""Opening of an operation: connect, observe the project, build, and find out who runs it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

from ftl.aio import cancel, gather2
from ftl.dataclass import dataclass
from ftl.deploy.inputs import author
from ftl.deploy.locked import holder_name, lock_taken
from ftl.deploy.operation import Operation, OperationRequest, run
from ftl.deploy.plan.records.recorded import on_servers
from ftl.deploy.plan.tracks.ended_watch import with_ended_watch
from ftl.deploy.repaired import observe_reachable
from ftl.errors import LockTaken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationResult
    from ftl.deploy.plan.desired.sources import BuiltImage
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class Built:
    """Result of the builds of an operation.

    Attributes:
        builders: Machines that built images: value of `build.on` -> their session.
    """

    images: Mapping[str, BuiltImage] = field(default_factory=dict)
    builders: Mapping[str, Session] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """A project on its server, observed and ready to be changed.

    Attributes:
        began: Monotonic time before the connection.
        lock: The heartbeat of the lock, where it is held since before the project was observed.
        before: The project as it was before this waited for the lock; None where it did not wait yet.
    """

    request: OperationRequest
    fleet: Fleet
    observed: Observed
    by: Author
    began: float
    lock: asyncio.Task[None] | None = None
    built: Built = Built()
    before: Observed | None = None

    @property
    def session(self) -> Session:
        """The server, or the first manager of a cluster."""
        return self.fleet.first

    async def run(
        self,
        project: Project,
        plan: Callable[[Observed], Plan],
        *,
        emit: Emit,
        arguments: tuple[str, ...] | None = None,
    ) -> OperationResult:
        """Plan and apply; a dry run only plans.

        The project is as it shall be. `plan` is pure, and called again under the lock. The arguments replace those of
        the command that was given, where it would do something else when it is run again.

        Raises:
            FtlError: As `ftl.deploy.operation.run`.
        """
        backend, servers, command = self.request.backend, self.request.servers, self.request.command
        command = command if arguments is None else replace(command, arguments=arguments)
        after = on_servers(project, servers)

        def planned(observed: Observed) -> Plan:
            return backend.assign(with_ended_watch(plan(observed), after, observed), observed, servers)

        operation = Operation(
            replace(self.request, command=command),
            after,
            self.by.name,
            planned,
            began=self.began,
            lock=self.lock,
            builders=self.built.builders,
        )
        return await run(operation, self.fleet, self.observed, emit=emit)


def _refuse_nothing(_observed: Observed) -> None:
    """Refuse no server."""


@asynccontextmanager
async def open_operation(
    request: OperationRequest,
    machines: Sequence[Machine],
    emit: Emit,
    *,
    lock_first: Callable[[Observed], None] | None = None,
    refuse: Callable[[Observed], None] = _refuse_nothing,
    build: Callable[[Fleet, AsyncExitStack], Coroutine[None, None, Built]] | None = None,
) -> AsyncIterator[PreparedOperation]:
    """Connect to its servers, observe a project there, and find out meanwhile who changes it.

    With `lock_first` the lock is taken before the servers are observed, and held to the end; not by a dry run. One look
    is enough then: for commands that ask nobody and take no time before they change something. It is called where
    another one has the lock, and raises for a request that is wrong whoever has it. `refuse` raises where the servers
    must not be changed now; it is called as soon as they are observed, and ends a build that is under way. `build`
    builds images meanwhile; what it opens on the stack is open until the end.

    Raises:
        LockTaken: Another operation has the lock.
        ServerError, EngineError: The server does not answer.
        FtlError: As `refuse` and `build`.
    """
    began = time.monotonic()
    writing = asyncio.create_task(author(request.root))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(cancel, writing)
        fleet = await stack.enter_async_context(request.backend.connect(machines, emit))
        heartbeat, before = None, None
        if lock_first is not None and not request.dry_run:
            holder = holder_name(fleet.first, (await writing).name, request.command.verb)
            heartbeat, before = await _take(lock_first, request, fleet, holder, stack, emit)
        building = build(fleet, stack) if build is not None else asyncio.sleep(0, Built())
        built, observed = await gather2(building, _observed(request, fleet, refuse, emit))
        by = await writing
        by = replace(by, time=fleet.first.info.time_of(by.time))
        yield PreparedOperation(request, fleet, observed, by, began, heartbeat, built, before)


async def _observed(
    request: OperationRequest, fleet: Fleet, refuse: Callable[[Observed], None], emit: Emit
) -> Observed:
    observe = request.backend.observe
    observed = await (
        observe(fleet, request.project, request.servers)
        if request.dry_run
        else observe_reachable(observe, fleet, request.project, request.servers, emit)
    )
    refuse(observed)
    return observed


async def _take(
    refuse: Callable[[Observed], None],
    request: OperationRequest,
    fleet: Fleet,
    holder: str,
    stack: AsyncExitStack,
    emit: Emit,
) -> tuple[asyncio.Task[None], Observed | None]:
    """Take the lock until the stack is closed; also the server's state before a wait for it."""
    taken = partial(lock_taken, fleet, request.project, holder, emit=emit)
    try:
        return await stack.enter_async_context(taken(wait=0.0)), None
    except LockTaken:
        before = await request.backend.observe(fleet, request.project, request.servers)
        refuse(before)
        if not request.command.lock_wait:
            raise
    return await stack.enter_async_context(taken(wait=request.command.lock_wait)), before
