"""Operation on a deployed project: its request, and its run from connection to result."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.models.project import Project, ProjectInfo
from ftl.dataclass import dataclass
from ftl.deploy.inputs import author
from ftl.deploy.locked import deploy_lock, holder_name
from ftl.deploy.observe.records import observe_with_records
from ftl.deploy.operation import Operation, run
from ftl.deploy.plan.records.recorded import on_servers
from ftl.errors import LockHeld
from ftl.host.fleet import open_fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from ftl.config.models.project import ClusterServer, Registry, Server
    from ftl.deploy.backend import Backend
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationResult
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """A deployed project to change.

    Attributes:
        project: Its name.
        server: Its server; of several the first one.
        servers: Those of its cluster; empty with one server.
        root: Folder of ftl.yaml, or the current one.
        backend: Observes its servers, makes the plan and executes it.
        services: The services (and for some commands dependencies) to change; empty for all.
        lock_wait: Seconds to wait for another operation to end.
        dry_run: Only plan the change.
        registries: Reads `registries` of ftl.yaml; blocks, and raises an FtlError where there is no such file.
    """

    project: str
    server: Server
    root: Path
    backend: Backend
    services: tuple[str, ...] = ()
    servers: tuple[ClusterServer, ...] = ()
    lock_wait: float = 0.0
    dry_run: bool = False
    registries: Callable[[], Sequence[Registry]] | None = None

    @property
    def bare_project(self) -> Project:
        """The project without services, for a change that needs only its name and servers."""
        info = ProjectInfo(name=self.project)
        return Project(project=info, server=self.server, servers=self.servers, services=())


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """A project on its server, observed and ready to be changed.

    Attributes:
        began: Monotonic time before the connection.
        lock: The heartbeat of the lock, where it is held since before the project was observed.
    """

    request: OperationRequest
    fleet: Fleet
    observed: Observed
    by: Author
    began: float
    lock: asyncio.Task[None] | None = None

    @property
    def session(self) -> Session:
        """The server, or the first manager of a cluster."""
        return self.fleet.first

    async def run(
        self, command: str, project: Project, plan: Callable[[Observed], Plan], *, emit: Emit
    ) -> OperationResult:
        """Plan and apply; a dry run only plans.

        The command is its line without `ftl`, the project as it shall be. `plan` is pure, and called again under the
        lock.

        Raises:
            FtlError: As `ftl.deploy.operation.run`.
        """
        backend = self.request.backend
        operation = Operation(
            command=command,
            project=on_servers(project, self.request.servers),
            root=self.request.root,
            by=self.by.name,
            plan=lambda observed: backend.assign(plan(observed), observed, self.request.servers),
            backend=backend,
            lock_wait=self.request.lock_wait,
            dry_run=self.request.dry_run,
            began=self.began,
            lock=self.lock,
            registries=self.request.registries,
        )
        return await run(operation, self.fleet, self.observed, emit=emit)


@dataclass(frozen=True, slots=True)
class LockFirst:
    """Lock of a command that takes it before it looks at the servers, and holds it to its end.

    One look is enough then. For commands that ask nobody and take no time before they change something.

    Attributes:
        command: Its name, for others who want the lock.
        emit: Receives a note while it waits.
        refuse: Raises for a request that is wrong whoever has the lock; called only where another one has it.
    """

    command: str
    emit: Emit
    refuse: Callable[[Observed], None]


@asynccontextmanager
async def open_operation(
    request: OperationRequest, machines: Sequence[Machine], *, lock: LockFirst | None = None
) -> AsyncIterator[PreparedOperation]:
    """Connect to its servers, observe a project there, and find out meanwhile who changes it.

    Args:
        request: What is asked for.
        machines: Its servers, not entered yet.
        lock: Take the lock first; a dry run takes none.

    Raises:
        LockHeld: Another operation has the lock.
        ServerError, EngineError: The server does not answer.
    """
    began = time.monotonic()
    writing = asyncio.create_task(author(request.root))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_cancel, writing)
        fleet = await stack.enter_async_context(open_fleet(machines))
        heartbeat = None
        if lock is not None and not request.dry_run:
            holder = holder_name(fleet.first, (await writing).name, lock.command)
            heartbeat = await _take(lock, request, fleet, holder, stack)
        observe = request.backend.observe
        observed = await (
            observe(fleet, request.project, request.servers)
            if request.dry_run
            else observe_with_records(observe, fleet, request.project, request.servers)
        )
        by = await writing
        by = replace(by, time=fleet.first.info.time_of(by.time))
        yield PreparedOperation(request, fleet, observed, by, began, heartbeat)


async def _take(
    lock: LockFirst, request: OperationRequest, fleet: Fleet, holder: str, stack: AsyncExitStack
) -> asyncio.Task[None]:
    """Take the lock, to be held until the stack is closed."""
    own = deploy_lock(fleet.first, request.project)
    try:
        return await stack.enter_async_context(own.hold(holder, wait=0.0, emit=lock.emit))
    except LockHeld:
        lock.refuse(await request.backend.observe(fleet, request.project, request.servers))
        if not request.lock_wait:
            raise
    return await stack.enter_async_context(own.hold(holder, wait=request.lock_wait, emit=lock.emit))


async def _cancel(task: asyncio.Task[Author]) -> None:
    task.cancel()
    await asyncio.wait([task])
