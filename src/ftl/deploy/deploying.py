"""Deploy: build and observe, make the plan from ftl.yaml, run it, and its result."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.common.figures import utc
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.deploy.apply.context import TransferTotals
from ftl.deploy.builders import open_builders
from ftl.deploy.inputs import author, buildable, built_images, with_built_dependencies
from ftl.deploy.observe.cluster import platform_of
from ftl.deploy.operation import Operation, run
from ftl.deploy.plan.planner import PlanInputs
from ftl.deploy.plan.sites import read_files
from ftl.deploy.plan.steps.containers import RunHook
from ftl.deploy.plan.steps.records import SetPreview
from ftl.deploy.plan.steps.watch import WatchRelease
from ftl.deploy.watching import follow
from ftl.errors import UsageError
from ftl.host.fleet import open_fleet
from ftl.image.platforms import remember_platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from ftl.deploy.backend import Backend
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationResult
    from ftl.deploy.plan.desired.sources import BuiltImage
    from ftl.deploy.plan.model import Plan, PlannedChange
    from ftl.deploy.request import PlanRequest
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.releases.store import Hold
    from ftl.releases.watch import WatchOutcome
    from ftl.ssh.machine import Machine


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
class ServerTransfer:
    """Bytes of images that went to one of several servers.

    Attributes:
        bytes_sent: From here.
        bytes_fanned_out: From another server.
    """

    host: str
    bytes_sent: int = 0
    bytes_fanned_out: int = 0


@dataclass(frozen=True, slots=True)
class DeployResult:
    """Result of a deploy.

    Attributes:
        release: The release that is live now.
        changed: Whether there was anything to do.
        removed: Services and dependencies that ftl.yaml no longer names.
        urls: Where the project answers.
        by_address: Whether it also answers by the server's address, as the only project there with routes.
        watch: How its watch ended: "passed", or "ended" by another operation; None where there was none.
        until: Of a preview, when the server removes it: Unix time by the server's clock.
        servers: What each of several servers got; empty with one.
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
    watch: WatchOutcome | None = None
    until: float | None = None
    servers: tuple[ServerTransfer, ...] = ()


async def deploy(
    request: PlanRequest, machines: Sequence[Machine], *, emit: Emit, backend: Backend
) -> DeployResult:
    """Bring the servers to what the project says, without a failed request.

    Args:
        request: What is asked for.
        machines: The project's servers, not entered yet.
        emit: Receives progress events.
        backend: Observes the servers, makes the plan and executes it.

    Raises:
        UsageError: A service that the project does not have; no built image and `request.build` is false.
        ConfigError: A certificate or key that cannot be read, or cannot serve the routes.
        Unhealthy: A container of the new release, or the server took the release back while it watched it.
        ServerError, LockHeld, BuildFailed, TransferFailed, HookFailed, EngineError.
    """
    async with _prepared(request, machines, emit, backend, refuse=refuse_if_held) as prepared:
        operation, fleet, observed = prepared
        applied = await run(operation, fleet, observed, emit=emit)
        return replace(result(applied), watch=await _watch(applied.plan, fleet.first, emit))


async def _watch(plan: Plan, session: Session, emit: Emit) -> WatchOutcome | None:
    """Wait for the end of the watch that the plan has started; None where it has none."""
    step = next((step for step in plan.steps if isinstance(step, WatchRelease)), None)
    if step is None:
        return None
    hooks = any(isinstance(each, RunHook) and each.hook == "pre" for each in plan.steps)
    return await follow(session, step, emit, hooks=hooks)


async def plan_only(
    request: PlanRequest, machines: Sequence[Machine], *, emit: Emit, backend: Backend
) -> Plan:
    """Return the plan that `deploy` would apply now; the server is not changed."""
    async with _prepared(request, machines, emit, backend) as (operation, fleet, observed):
        plan = (await run(replace(operation, dry_run=True), fleet, observed, emit=emit)).plan
    hold = observed.hold
    return plan if hold is None else replace(plan, notes=(f"{_held(hold)}: {END_HOLD}", *plan.notes))


END_HOLD = f"{ftl('deploy --end-hold')} ends the hold and deploys"


def refuse_if_held(request: PlanRequest, observed: Observed) -> None:
    """Refuse a deploy while deploys are on hold.

    It might put back what a rollback has just taken away.

    Raises:
        UsageError: They are, and the request does not end that.
    """
    if observed.hold is not None and not request.end_hold:
        raise UsageError(f"{_held(observed.hold)} on {observed.server}", hint=END_HOLD)


def _held(hold: Hold) -> str:
    return f"deploys have been put on hold by {hold.by} at {utc(hold.time)} ({hold.reason})"


@asynccontextmanager
async def _prepared(
    request: PlanRequest,
    machines: Sequence[Machine],
    emit: Emit,
    backend: Backend,
    refuse: Callable[[PlanRequest, Observed], None] = lambda _request, _observed: None,
) -> AsyncIterator[tuple[Operation, Fleet, Observed]]:
    """Connect; then build and observe the servers at the same time.

    Args:
        request: What is asked for.
        machines: The project's servers, not entered yet.
        emit: Receives progress events.
        backend: Observes the servers, makes the plan and executes it.
        refuse: Raises where the server must not be changed now. Called as soon as it is observed, which ends a build
            that is under way, and again under the lock.
    """
    project, began = request.project, time.monotonic()

    async def observed_now(fleet: Fleet) -> Observed:
        observed = await backend.observe(fleet, project.name, project.servers)
        refuse(request, observed)
        return observed

    def plan(observed: Observed) -> Plan:
        refuse(request, observed)
        return backend.plan(request, inputs, observed)

    project.select_services(request.services)  # before anything is asked of a server
    files = read_files(project, request.root)
    async with open_fleet(machines) as fleet, AsyncExitStack() as stack:
        platform = platform_of(fleet)
        remember_platform(project.server.host, platform)

        async def build() -> tuple[Mapping[str, BuiltImage], Mapping[str, Session]]:
            services = buildable(project, request.services)
            builders = await stack.enter_async_context(open_builders(services, fleet))
            images = await built_images(
                project,
                request.services,
                root=request.root,
                platform=platform,
                emit=emit,
                build=request.build,
                builders=builders,
            )
            return images, builders

        building = gather2(build(), observed_now(fleet))
        ((built, builders), observed), by = await gather2(building, author(request.root))
        project = with_built_dependencies(project, built)
        request = replace(request, project=project)
        by = replace(by, time=fleet.first.info.time_of(by.time))
        inputs = PlanInputs(by, built, files)
        operation = Operation(
            command=_command_line(request),
            project=project,
            root=request.root,
            by=by.name,
            plan=plan,
            backend=backend,
            lock_wait=request.lock_wait,
            began=began,
            builders=builders,
        )
        yield operation, fleet, observed


def _command_line(request: PlanRequest) -> str:
    """Command line of a deploy, without `ftl` and without the options that change nothing on the server."""
    options = (*(() if request.hooks else ("--no-hooks",)), *(("--end-hold",) if request.end_hold else ()))
    if request.preview is not None:
        return " ".join(("preview", "up", request.preview.name, *options))
    return " ".join(("deploy", *request.services, *options))


# --- result -----------------------------------------------------------------------------------------


def result(applied: OperationResult) -> DeployResult:
    """Result of an operation that made a release of a project, or changed its live one."""
    plan = applied.plan

    def unit(change: PlannedChange) -> ServiceResult:
        totals = applied.sent_for.get(change.name, TransferTotals())
        return ServiceResult(
            change.image,
            change.action,
            totals.layers_sent,
            totals.layers_reused,
            totals.bytes_sent,
            totals.bytes_saved,
        )

    def server(name: str) -> ServerTransfer:
        totals = applied.sent_to.get(name, TransferTotals())
        return ServerTransfer(name, totals.bytes_sent, totals.bytes_fanned_out)

    return DeployResult(
        server=plan.server,
        release=plan.release,
        seconds=applied.seconds,
        changed=not plan.empty,
        services={
            change.name: unit(change)
            for change in plan.changes
            if change.kind == "service" and change.action != "removed"
        },
        dependencies={change.name: unit(change) for change in plan.changes if change.kind == "dependency"},
        removed=tuple(change.name for change in plan.changes if change.action == "removed"),
        urls=applied.project.urls,
        by_address=plan.by_address,
        until=next(
            (step.preview.until for step in plan.steps if isinstance(step, SetPreview) and step.preview), None
        ),
        servers=tuple(server(each.host) for each in applied.project.servers),
    )
