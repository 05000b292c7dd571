"""Deploy: build and observe, make the plan from ftl.yaml, and run it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ftl.aio import in_thread
from ftl.common.figures import utc
from ftl.common.next_step import ftl
from ftl.deploy.builders import open_builders
from ftl.deploy.inputs import buildable, built_images, with_built_dependencies
from ftl.deploy.observe.cluster import platform_of
from ftl.deploy.opening import Built, open_operation
from ftl.deploy.plan.checks.ownership import refuse_missing_network
from ftl.deploy.plan.checks.unfetched import without_secrets
from ftl.deploy.plan.planner import PlanInputs
from ftl.deploy.plan.sites import read_files
from ftl.deploy.plan.steps.containers import RunHook
from ftl.deploy.plan.steps.watch import WatchRelease
from ftl.deploy.result import result
from ftl.deploy.watching import follow
from ftl.errors import UsageError
from ftl.image.platforms import remember_platform
from ftl.releases.hold import DAMAGED_HOLD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
    from contextlib import AsyncExitStack

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.opening import PreparedOperation
    from ftl.deploy.operation import OperationRequest, OperationResult
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import PlanRequest
    from ftl.deploy.result import DeployResult
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.releases.hold import Hold
    from ftl.releases.watch import WatchOutcome
    from ftl.ssh.machine import Machine

    Complete = Callable[[Collection[str]], Project]
    """Reads the project again, with the secrets of these dependencies as well. Blocks; raises an FtlError."""


async def deploy(
    operation: OperationRequest,
    request: PlanRequest,
    machines: Sequence[Machine],
    *,
    emit: Emit,
    complete: Complete | None = None,
) -> DeployResult:
    """Deploy a project to its servers, without a failed request.

    `complete` fetches secrets that a project of some services lacks.

    Raises:
        UsageError: A service that the project does not have; no built image and `request.build` is false.
        ConfigError: A certificate or key that cannot be read, or cannot serve the routes.
        Unhealthy: A container of the new release, or the server took the release back while it watched it.
        ServerError, LockTaken, BuildFailed, TransferFailed, HookFailed, EngineError.
    """

    def refuse(observed: Observed) -> None:
        refuse_if_held(request, observed)

    async with _opened(operation, request, machines, emit, refuse, complete) as (prepared, work):
        applied = await work()
        return replace(result(applied), watch=await _watch(applied.plan, prepared.session, emit))


async def _watch(plan: Plan, session: Session, emit: Emit) -> WatchOutcome | None:
    """Wait for the end of the watch that the plan has started; None where it has none."""
    step = next((step for step in plan.steps if isinstance(step, WatchRelease)), None)
    if step is None:
        return None
    hooks = any(isinstance(each, RunHook) and each.hook == "pre" for each in plan.steps)
    return await follow(session, step, emit, hooks=hooks)


async def plan_only(
    operation: OperationRequest,
    request: PlanRequest,
    machines: Sequence[Machine],
    *,
    emit: Emit,
    complete: Complete | None = None,
) -> Plan:
    """Return the plan that `deploy` would apply now; the server is not changed."""
    dry = replace(operation, dry_run=True)
    async with _opened(dry, request, machines, emit, complete=complete) as (prepared, work):
        plan = (await work()).plan
    hold = prepared.observed.hold
    return plan if hold is None else replace(plan, notes=(f"{_held(hold)}: {END_HOLD}", *plan.notes))


END_HOLD = f"{ftl('deploy --end-hold')} ends the hold and deploys"


def refuse_if_held(request: PlanRequest, observed: Observed) -> None:
    """Refuse a deploy while deploys are on hold.

    It might put back what a rollback has just taken away.

    Raises:
        UsageError: They are, and the request does not end that.
    """
    if observed.hold is not None and not request.purpose.end_hold:
        raise UsageError(f"{_held(observed.hold)} on {observed.server}", hint=END_HOLD)


def _held(hold: Hold) -> str:
    if hold == DAMAGED_HOLD:
        return f"deploys count as put on hold: {hold.reason}"
    return f"deploys have been put on hold by {hold.by} at {utc(hold.time)} ({hold.reason})"


def completed(project: Project, found: Project, names: Collection[str]) -> Project:
    """Take these dependencies, with their secrets, from the project as it was read again.

    No more: its file may have changed since the images were built.

    Raises:
        UsageError: It does not have them any more.
    """
    read = {dependency.name: dependency for dependency in found.dependencies if dependency.name in names}
    if gone := [name for name in names if name not in read]:
        raise UsageError(
            f"{', '.join(gone)} was taken out of the file while this ran", hint="run the same command again"
        )
    return replace(
        project,
        dependencies=tuple(read.get(dependency.name, dependency) for dependency in project.dependencies),
        secret_values={**project.secret_values, **found.secret_values},
    )


@asynccontextmanager
async def _opened(
    operation: OperationRequest,
    request: PlanRequest,
    machines: Sequence[Machine],
    emit: Emit,
    refuse: Callable[[Observed], None] = lambda _observed: None,
    complete: Complete | None = None,
) -> AsyncIterator[tuple[PreparedOperation, Callable[[], Awaitable[OperationResult]]]]:
    """Connect; then build and observe the servers at the same time.

    `refuse` raises where the servers must not be changed now: as soon as they are observed, and under the lock. Yields
    the operation, and its run.
    """
    project = request.project
    project.select_services(request.services)  # before anything is asked of a server
    files = read_files(project, operation.root)

    async def build(fleet: Fleet, stack: AsyncExitStack) -> Built:
        platform = platform_of(fleet)
        remember_platform(project.server.host, platform)
        services = buildable(project, request.services)
        builders = await stack.enter_async_context(open_builders(services, fleet))
        images = await built_images(
            project,
            request.services,
            root=operation.root,
            platform=platform,
            emit=emit,
            build=request.build,
            builders=builders,
        )
        return Built(images, builders)

    def refuse_early(observed: Observed) -> None:
        refuse_missing_network(observed)
        refuse(observed)

    async with open_operation(operation, machines, emit, refuse=refuse_early, build=build) as prepared:
        lacking = without_secrets(request, prepared.observed)
        if lacking and complete is not None:
            project = completed(project, await in_thread(partial(complete, lacking), None), lacking)
        asked = replace(request, project=with_built_dependencies(project, prepared.built.images))
        inputs = PlanInputs(prepared.by, prepared.built.images, files)

        def plan(observed: Observed) -> Plan:
            refuse(observed)
            return operation.backend.plan(asked, inputs, observed)

        def work() -> Awaitable[OperationResult]:
            return prepared.run(asked.project, plan, emit=emit)

        yield prepared, work
