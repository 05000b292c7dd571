"""Operation: one planned change of a server, from the lock to its outcome.

Deploy, rollback, restart and all others run here; they differ only in the function that makes the plan.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.aio import gather2, gather_all
from ftl.common.next_step import ftl, plain
from ftl.config.models.project import Project
from ftl.dataclass import dataclass
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext, Freed, TransferTotals
from ftl.deploy.apply.executor import DeployExecutor
from ftl.deploy.apply.kept_logs import pre_hooks
from ftl.deploy.locked import RECORD_SECONDS, audited, deploy_locks, holder_name, lock_taken
from ftl.deploy.plan.replacements import proof_of
from ftl.deploy.plan.steps.images import SendImages
from ftl.deploy.repaired import bring_records, observe_repaired, unreachable_text
from ftl.errors import FtlError, ServerError
from ftl.events import Note, Planned
from ftl.host import crontab
from ftl.locks.loss import cancelled_if_lost
from ftl.locks.several import locks_suffice, look
from ftl.releases.audit import AuditEntry, begun
from ftl.releases.store import write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from ftl.config.models.project import ClusterServer, Registry, Server
    from ftl.deploy.backend import Backend
    from ftl.deploy.command_line import GivenCommand
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.locks.lock import DeployLock
    from ftl.releases.record import KeptLine


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """A project to change on its servers.

    Attributes:
        server: Its server; of several the first one.
        servers: Those of its cluster; empty with one server.
        root: Folder of ftl.yaml, or the current one.
        command: The command line that asks for it, and how long it waits for the lock.
        services: The services (and for some commands dependencies) to change; empty for all.
        registries: Reads `registries` of today's ftl.yaml, where the project is a recorded one, which has none; blocks,
            and raises an FtlError where there is no such file.
    """

    project: str
    server: Server
    root: Path
    backend: Backend
    command: GivenCommand
    services: tuple[str, ...] = ()
    servers: tuple[ClusterServer, ...] = ()
    dry_run: bool = False
    registries: Callable[[], Sequence[Registry]] | None = None

    @classmethod
    def of(cls, project: Project, root: Path, backend: Backend, command: GivenCommand) -> OperationRequest:
        """The request for a project of ftl.yaml, which names its servers."""
        servers = project.servers
        return cls(project.name, project.server, root, backend, command, servers=servers)

    @property
    def bare_project(self) -> Project:
        """The project without services, for a change that needs only its name and servers."""
        return Project.bare(self.project, self.server, self.servers)


@dataclass(frozen=True, slots=True)
class Operation:
    """A change of a project on its server.

    Attributes:
        by: Who runs it; others who want the lock see it.
        plan: Observed server -> plan. Pure; called again once the lock is held.
        began: Monotonic time at which the command began.
        lock: The heartbeat of the lock, where the command holds it since before the servers were observed.
        builders: Machines that built images: value of `build.on` -> their session.
    """

    request: OperationRequest
    project: Project
    by: str
    plan: Callable[[Observed], Plan]
    began: float = field(default_factory=time.monotonic)
    lock: asyncio.Task[None] | None = None
    builders: Mapping[str, Session] = field(default_factory=dict)

    @property
    def verb(self) -> str:
        """Name of the command, without arguments."""
        return self.request.command.verb


@dataclass(frozen=True, slots=True)
class OperationResult:
    """Result of an operation.

    Attributes:
        plan: The plan that was applied, or with `dry_run` would be; empty where there was nothing to do.
        observed: The servers that it was made for: as they were under the lock, where it was taken.
        sent_for: Service or dependency -> what was sent for its image.
    """

    project: Project
    plan: Plan
    observed: Observed
    seconds: float
    sent_for: Mapping[str, TransferTotals] = field(default_factory=dict)
    sent_to: Mapping[str, TransferTotals] = field(default_factory=dict)
    freed: Freed = field(default_factory=Freed)


async def run(operation: Operation, fleet: Fleet, observed: Observed, *, emit: Emit) -> OperationResult:
    """Plan and, where there is anything to do, apply under the lock; a dry run only plans.

    Raises:
        LockTaken: Another operation has the lock, and `GivenCommand.lock_wait` seconds were not enough.
        FtlError: As `operation.plan`, and as `DeployExecutor.run`.
    """
    request, plan = operation.request, operation.plan(observed)
    sent_for: Mapping[str, TransferTotals] = {}
    sent_to: Mapping[str, TransferTotals] = {}
    freed = Freed()
    if request.dry_run:
        plan = await _with_notes(plan, operation, fleet, observed)
    elif not plan.empty:
        clients = RunClients(
            operation.project, request.root, builders=operation.builders, registries=request.registries
        )
        try:
            sent = [step for step in plan.steps if isinstance(step, SendImages) and not step.built_on]
            await clients.read_ahead(image.local for step in sent for image in step.images)
            plan, context = await _apply_under_lock(operation, fleet, observed, clients, emit)
        finally:
            await clients.close()
        observed, freed, sent_to = context.observed, context.freed, context.sent_to
        sent_for = {name: image.transfer for name, image in context.images.items()}
    seconds = time.monotonic() - operation.began
    return OperationResult(operation.project, plan, observed, seconds, sent_for, sent_to, freed)


async def _with_notes(plan: Plan, operation: Operation, fleet: Fleet, observed: Observed) -> Plan:
    """The plan of a dry run, with reasons for which the servers would refuse it now."""
    jobs = any(change.kind == "job" for change in plan.changes)
    under_way, cron = await gather2(
        _under_way(deploy_locks(fleet, operation.project.name)),
        _cron_problem(operation, fleet.first) if jobs else asyncio.sleep(0),
    )
    notes = (note for note in (under_way, cron) if note is not None)
    away = (
        f"{unreachable_text(server)}; a change is refused, unless the cluster calls it down within a minute"
        for server in observed.unreachable
    )
    return replace(plan, notes=(*notes, *away, *plan.notes))


async def _cron_problem(operation: Operation, session: Session) -> str | None:
    """Reason for which the server does not run jobs."""
    try:
        await crontab.check(session.machine, [job.timezone for job in operation.project.jobs])
    except ServerError as error:
        cause = f" ({error.cause})" if error.cause else ""
        return f"{error.message}{cause}: {error.hint}" if error.hint else f"{error.message}{cause}"
    return None


async def _under_way(locks: Sequence[DeployLock]) -> str | None:
    """A note about who has one of the locks, or why nobody gets them; None where they are free."""
    holder, problems = await look(locks)
    if holder is None:
        return None if locks_suffice(locks, problems) else problems[0].summary
    assumed = (
        "a change waits for that with `--wait-lock SECONDS`, or is refused, and is planned again afterwards"
        if holder.goes_on
        else "this plan assumes that the other command stops now, and treats what it has started as leftovers"
    )
    return f"the project {holder.state}; {assumed}"


# --- under the lock ---------------------------------------------------------------------------------


async def _apply_under_lock(
    operation: Operation, fleet: Fleet, observed: Observed, clients: RunClients, emit: Emit
) -> tuple[Plan, DeployContext]:
    """Take the lock, observe again (another operation may have ended meanwhile), and apply the plan.

    Where the lock was held already when the servers were observed, nothing can have changed.
    """
    project, session = operation.project, fleet.first
    async with _lock(operation, fleet, emit) as heartbeat:
        if operation.lock is None:
            observe = operation.request.backend.observe
            observed = await observe_repaired(observe, fleet, project.name, project.servers)
        plan = operation.plan(observed)
        for note in plan.notes:
            emit(Note(note))
        emit(Planned(plan.server, plan.release, tuple(step.located_text for step in plan.steps)))
        context = DeployContext(
            project=project,
            root=operation.request.root,
            fleet=fleet,
            session=session,
            observed=observed,
            release=plan.release,
            emit=emit,
            clients=clients,
            proof=proof_of(plan),
            operation=f"the {operation.verb} of {operation.by}",
        )
        async with _audited(plan, operation, context), cancelled_if_lost(heartbeat):
            await bring_records(fleet, observed)
            await _apply(plan, operation, context)
    return plan, context


def _lock(operation: Operation, fleet: Fleet, emit: Emit) -> AbstractAsyncContextManager[asyncio.Task[None]]:
    if operation.lock is not None:
        return nullcontext(operation.lock)
    holder = holder_name(fleet.first, operation.by, operation.verb)
    return lock_taken(
        fleet, operation.project.name, holder, wait=operation.request.command.lock_wait, emit=emit
    )


def _audited(plan: Plan, operation: Operation, context: DeployContext) -> AbstractAsyncContextManager[None]:
    if plan.empty:
        return nullcontext()
    environment = operation.project.environment
    entry = AuditEntry(
        context.now, operation.by, operation.request.command.text, plan.release, "started", environment
    )
    engines = [context.fleet.at(name).engine for name in _record_servers(context)]
    entries = begun(context.observed.audit, entry)
    return audited(engines, plan.project, entries, recorded=plan.record is not None)


def _record_servers(context: DeployContext) -> list[str]:
    """The servers that have release records: the only one, or the managers that answer."""
    return [server.name for server in context.observed.servers if server.manager]


async def _apply(plan: Plan, operation: Operation, context: DeployContext) -> None:
    """Execute the plan; a failure gets a note on the server's state, and goes into the release's record."""
    executor = DeployExecutor(plan, operation.request.backend.runners, context)
    try:
        await executor.run()
    except BaseException as error:
        if note := _outcome_note(plan, operation, executor):
            context.emit(note)
        if not executor.committed and plan.record is not None:
            await _record_failure(plan, context, error, executor.last_lines)
        raise
    finally:
        await context.end_tasks()


def _outcome_note(plan: Plan, operation: Operation, executor: DeployExecutor) -> Note | None:
    """State of the server after a failure."""
    if executor.incomplete:
        return Note(
            f"{plan.release} is live, but the {operation.verb} did not finish",
            "warning",
            hint=f"run {ftl(operation.request.command.text)} again to finish the rest: routes, old containers; "
            "hooks do not run again"
            if plan.record is not None
            else f"run {ftl(operation.request.command.text)} again to repeat all of it",
        )
    if executor.committed:
        return Note(f"{plan.release} is live, and everything is done except its post hooks", "warning")
    if not any(stage.decides for stage in plan.stages):
        return Note(
            f"`ftl {operation.verb}` did not finish",
            "warning",
            hint=f"run {ftl(operation.request.command.text)} again to finish the rest",
        )
    if any(change.kind == "service" and change.action != "created" for change in plan.changes):
        switched = "the switch was taken back" if executor.switched_back else "nothing was switched"
        return Note(f"{switched}: the previous release stays live")
    return None


async def _record_failure(
    plan: Plan, context: DeployContext, error: BaseException, logs: tuple[KeptLine, ...]
) -> None:
    assert plan.record is not None
    failed = replace(
        plan.record,
        outcome="failed" if isinstance(error, FtlError) else "interrupted",
        seconds=max(0.0, context.now - plan.record.started),
        error=plain(error.message) if isinstance(error, FtlError) else "interrupted",
        pre_hooks=pre_hooks(context),
        logs=logs,
    )
    try:
        async with asyncio.timeout(RECORD_SECONDS):
            engines = [context.fleet.at(name).engine for name in _record_servers(context)]
            await gather_all(write_record(engine, plan.project, failed) for engine in engines)
    except (FtlError, TimeoutError):
        return  # the server is out of reach: the record stays "started", which says the same
