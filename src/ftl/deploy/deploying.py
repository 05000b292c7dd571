"""A whole deploy: connect, build and observe, plan, apply under the lock, and its result."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.deploy.apply.context import DeployContext, Resources, Traffic
from ftl.deploy.apply.executor import Executor
from ftl.deploy.backend import STANDALONE
from ftl.deploy.inputs import author, built_images
from ftl.deploy.observe.state import observe
from ftl.deploy.plan.planner import Inputs
from ftl.deploy.plan.sites import read_files
from ftl.errors import FtlError
from ftl.events import Note, Planned
from ftl.host.fleet import Fleet
from ftl.host.lock import DeployLock
from ftl.host.session import open_session
from ftl.image.platforms import remember_platform
from ftl.releases.store import write_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping

    from ftl.config import Project
    from ftl.deploy.backend import Backend
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Change, Plan
    from ftl.deploy.request import DeployRequest
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.ssh.machine import Machine

RECORD_SECONDS = 15.0
"""Limit for recording a failure when the deploy itself has already failed."""


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """Result of a deploy for one service or dependency."""

    image: str
    action: str
    layers_sent: int = 0
    layers_reused: int = 0
    bytes_sent: int = 0
    bytes_saved: int = 0


@dataclass(frozen=True, slots=True)
class DeployResult:
    """Result of a deploy.

    Attributes:
        release: The release that is live now.
        changed: Whether there was anything to do.
        removed: Services and dependencies that ftl.yaml no longer names.
        urls: Where the project answers.
        by_address: Whether it also answers by the server's address, as the only project there with routes.
    """

    server: str
    release: str
    seconds: float
    changed: bool
    services: Mapping[str, ServiceResult] = field(default_factory=dict)
    dependencies: Mapping[str, ServiceResult] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    by_address: bool = False


async def deploy(
    request: DeployRequest, machine: Machine, *, emit: Emit, backend: Backend = STANDALONE
) -> DeployResult:
    """Bring the server to what the project says, without a failed request.

    Args:
        request: What is asked for.
        machine: The project's server, not entered yet.
        emit: Receives progress events.
        backend: Makes the plan and executes it.

    Raises:
        UsageError: A service that the project does not have; no built image and `request.build` is false.
        ConfigError: A certificate or key that cannot be read, or cannot serve the routes.
        ServerError, LockHeld, BuildFailed, TransferFailed, Unhealthy, HookFailed, EngineError.
    """
    began = time.monotonic()
    async with _prepared(request, machine, emit) as (session, inputs, observed):
        plan = backend.plan(request, inputs, observed)
        traffic: Mapping[str, Traffic] = {}
        if not plan.empty:
            plan, traffic = await _apply_under_lock(request, inputs, session, backend, emit)
    return _result(request.project, plan, traffic, time.monotonic() - began)


async def plan_only(
    request: DeployRequest, machine: Machine, *, emit: Emit, backend: Backend = STANDALONE
) -> Plan:
    """Return the plan that `deploy` would apply now; the server is not changed."""
    async with _prepared(request, machine, emit) as (session, inputs, observed):
        plan = backend.plan(request, inputs, observed)
        holder = await _lock(session, request.project).holder()
    return plan if holder is None else replace(plan, notes=(_under_way(holder), *plan.notes))


@asynccontextmanager
async def _prepared(
    request: DeployRequest, machine: Machine, emit: Emit
) -> AsyncIterator[tuple[Session, Inputs, Observed]]:
    """Connect; then build here and observe the server at the same time."""
    project = request.project
    project.select_services(request.services)  # before anything is asked of a server
    files = read_files(project, request.root)
    async with open_session(machine) as session:
        platform = session.info.platform
        remember_platform(project.server.host, platform)
        (built, observed), by = await gather2(
            gather2(
                built_images(request, platform, emit),
                observe(session.engine, session.info, project.name, session.name),
            ),
            author(request.root),
        )
        yield session, Inputs(by, built, files), observed


def _under_way(holder: str) -> str:
    return (
        f"a deploy by {holder} is under way: this is what would be left to do if it ended here and now; "
        "what it has started counts as left behind"
    )


# --- under the lock ---------------------------------------------------------------------------------


def _lock(session: Session, project: Project) -> DeployLock:
    return DeployLock(session.machine, project.name, session.info.id)


async def _apply_under_lock(
    request: DeployRequest, inputs: Inputs, session: Session, backend: Backend, emit: Emit
) -> tuple[Plan, Mapping[str, Traffic]]:
    """Take the lock, observe again (another deploy may have ended meanwhile), and apply the plan.

    Returns:
        The plan that was applied, and what bringing each image took.

    Raises:
        LockHeld: Another deploy has the lock, and `request.lock_wait` seconds were not enough.
        FtlError: As `Executor.run`.
    """
    project = request.project
    holder = f"{inputs.author.name} since {time.strftime('%H:%M:%S')}"
    async with _lock(session, project).hold(holder, wait=request.lock_wait, emit=emit) as heartbeat:
        observed = await observe(session.engine, session.info, project.name, session.name)
        plan = backend.plan(request, inputs, observed)
        for note in plan.notes:
            emit(Note(note))
        emit(Planned(plan.server, plan.release, tuple(step.text for step in plan.steps)))
        context = DeployContext(
            project=project,
            root=request.root,
            fleet=Fleet([session]),
            session=session,
            observed=observed,
            release=plan.release,
            emit=emit,
            resources=Resources(project, request.root),
        )
        try:
            await _cancel_if_lock_lost(heartbeat, _apply(plan, backend, context))
        finally:
            await context.resources.close()
    return plan, {name: image.traffic for name, image in context.images.items()}


async def _cancel_if_lock_lost(heartbeat: asyncio.Task[None], work: Coroutine[None, None, None]) -> None:
    """Run work that may only go on while the lock is held.

    Raises:
        ServerError: The lock was lost.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, heartbeat}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    if task.cancelled():
        heartbeat.result()
    task.result()


async def _apply(plan: Plan, backend: Backend, context: DeployContext) -> None:
    """Execute the plan; a failure is told with what holds now, and goes into the release's record."""
    executor = Executor(plan, backend.runners, context)
    try:
        await executor.run()
    except BaseException as error:
        if note := _outcome_note(plan, executor):
            context.emit(note)
        if not executor.committed and plan.record is not None:
            await _record_failure(plan, context, error)
        raise


def _outcome_note(plan: Plan, executor: Executor) -> Note | None:
    """What holds on the server after a failure."""
    if executor.incomplete:
        return Note(
            f"{plan.release} is live, but the deploy did not finish",
            "warning",
            hint="`ftl deploy` again finishes what is left: routes, old containers; hooks do not run again",
        )
    if executor.committed:
        return Note(f"{plan.release} is live, and everything is done except its post hooks", "warning")
    if any(change.kind == "service" and change.action != "created" for change in plan.changes):
        return Note("nothing was switched: the release that was live goes on")
    return None


async def _record_failure(plan: Plan, context: DeployContext, error: BaseException) -> None:
    assert plan.record is not None
    failed = replace(
        plan.record,
        outcome="failed",
        seconds=max(0.0, time.time() - plan.record.started),
        error=error.message if isinstance(error, FtlError) else "interrupted",
    )
    try:
        async with asyncio.timeout(RECORD_SECONDS):
            await write_record(context.engine, plan.project, failed)
    except (FtlError, TimeoutError):
        return  # the server is out of reach: the record stays "started", which says the same


# --- result -----------------------------------------------------------------------------------------


def _result(project: Project, plan: Plan, traffic: Mapping[str, Traffic], seconds: float) -> DeployResult:
    def result(change: Change) -> ServiceResult:
        moved = traffic.get(change.name, Traffic())
        return ServiceResult(
            change.image,
            change.action,
            moved.layers_sent,
            moved.layers_reused,
            moved.bytes_sent,
            moved.bytes_saved,
        )

    return DeployResult(
        server=plan.server,
        release=plan.release,
        seconds=seconds,
        changed=not plan.empty,
        services={
            change.name: result(change)
            for change in plan.changes
            if change.kind == "service" and change.action != "removed"
        },
        dependencies={change.name: result(change) for change in plan.changes if change.kind == "dependency"},
        removed=tuple(change.name for change in plan.changes if change.action == "removed"),
        urls=urls(project),
        by_address=plan.by_address,
    )


def urls(project: Project) -> tuple[str, ...]:
    """URLs of the project's routes."""
    scheme = "http" if project.proxy.tls == "off" else "https"
    addresses = {
        f"{scheme}://{route.host or project.project.domain}{'' if route.path == '/' else route.path}"
        for service in project.services
        for route in service.routes
    }
    return tuple(sorted(addresses))
