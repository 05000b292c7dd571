"""Rollback: a release that restores an earlier one, planned from its record.

Images, configuration and env come back as recorded. Dependencies and volumes stay as they are, and hooks do not run
unless asked for: their data has moved on.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.deploy.opening import open_operation
from ftl.deploy.plan.planner import PlanInputs
from ftl.deploy.plan.records.recorded import (
    live_project,
    on_servers,
    recorded_images,
    recorded_project,
    refuse_other_kind,
)
from ftl.deploy.plan.records.same import runs_same
from ftl.deploy.request import PlanRequest, RestoredRelease
from ftl.errors import UsageError
from ftl.operations.changes.rollback.choice import (
    choose,
    last_different,
    refuse_impossible,
    refuse_superseded,
    same_before,
)
from ftl.operations.changes.rollback.fresh import fetch_fresh, fresh_notes, refreshed
from ftl.operations.changes.rollback.hooks import hook_notes
from ftl.operations.changes.rollback.hosts import host_notes, refuse_uncovered, stored_certificate
from ftl.operations.changes.rollback.images import content_notes, local_copies, rebuilt, refuse_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.config.models.project import Dependency, Project, Service
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest, OperationResult
    from ftl.deploy.plan.desired.sources import BuiltImage
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.plan.records.recorded import RecordedImages
    from ftl.deploy.request import Author
    from ftl.events import Emit
    from ftl.operations.changes.rollback.fresh import FreshSecrets, SecretSource
    from ftl.proxy.tls.x509 import X509Certificate
    from ftl.releases.record import ReleaseRecord
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """A rollback as the user asks for it.

    Attributes:
        operation: The project, and the folder of its ftl.yaml.
        release: The release to restore; None: the last one before the live one that was live, runs something else, and
            is not marked bad.
        hold: Why deploys stop afterwards; empty: they do not.
        rebuild: Rebuild missing images from that release's commit.
        secrets: Where values of secrets are fetched that replace the recorded ones; None: none do.
    """

    operation: OperationRequest
    release: str | None = None
    hooks: bool = False
    hold: str = ""
    rebuild: bool = False
    secrets: SecretSource | None = None
    fresh: FreshSecrets | None = None


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """A rollback that was made, or planned."""

    restored: str
    applied: OperationResult

    @property
    def plan(self) -> Plan:
        """The plan that was applied."""
        return self.applied.plan


async def rollback(request: RollbackRequest, machines: Sequence[Machine], *, emit: Emit) -> RollbackResult:
    """Restore an earlier release.

    Raises:
        UsageError: There is no such release, it never was live, or its images are gone; or none is named, and another
            one went live meanwhile.
        ServerError, LockTaken, Unhealthy, HookFailed, EngineError.
    """
    # A build, or a vault, may take minutes, in which others may deploy.
    takes_time = request.rebuild or request.secrets is not None
    lock_first = None if takes_time else partial(refuse_impossible, name=request.release)
    async with open_operation(request.operation, machines, emit, lock_first=lock_first) as prepared:
        observed = prepared.observed
        since = prepared.before or observed
        refuse_superseded(since, observed, request.release)
        restored = choose(observed, request.release)
        if request.secrets is not None:
            request = replace(request, fresh=await fetch_fresh(request.secrets, restored))
        project = restored_project(observed, restored, request)
        local = await local_copies(observed, project, restored)
        gone = [name for name in recorded_images(observed, project, restored).missing if name not in local]
        if gone and request.rebuild:
            local |= await rebuilt(
                observed,
                project,
                restored,
                gone,
                root=request.operation.root,
                platform=prepared.session.info.platform,
                emit=emit,
            )
        certificate = await stored_certificate(prepared.session.engine, observed)

        def plan(server: Observed) -> Plan:
            refuse_superseded(since, server, request.release)
            return plan_rollback(request, restored, prepared.by, local, server, certificate)

        # Without a name, the same command would go further back when it is run again.
        applied = await prepared.run(project, plan, emit=emit, arguments=(restored.release,))
    return RollbackResult(restored.release, applied)


def plan_rollback(
    request: RollbackRequest,
    restored: ReleaseRecord,
    by: Author,
    local: Mapping[str, BuiltImage],
    observed: Observed,
    certificate: X509Certificate | None = None,
) -> Plan:
    """Plan a release that restores an earlier one. Pure.

    `local` are images of it that this machine has and the server does not; the certificate is the user's that the proxy
    has.

    Raises:
        UsageError: An image is gone, or the certificate does not cover a host; nothing was touched.
    """
    project = restored_project(observed, restored, request)
    refuse_uncovered(project, restored, certificate)
    images = recorded_images(observed, project, restored)
    refuse_missing(observed, restored, [name for name in images.missing if name not in local])
    purpose = RestoredRelease(restored.release, hooks=request.hooks, hold=request.hold)
    as_deployed = PlanRequest(project, purpose=purpose)
    source = replace(by, commit=restored.commit, subject=restored.subject, origin=restored.origin)
    inputs = PlanInputs(source, {**images.sources, **local})
    plan = request.operation.backend.plan(as_deployed, inputs, observed)
    notes = (
        *_notes(request, restored, images, observed),
        *content_notes(restored, local),
        *host_notes(project, restored, observed),
    )
    return replace(plan, notes=(*notes, *plan.notes))


def restored_project(observed: Observed, restored: ReleaseRecord, request: RollbackRequest) -> Project:
    """The project of an earlier release, with the live one's dependencies, backups and proxy."""
    project = recorded_project(restored, request.operation.server)
    refuse_other_kind(observed, project, restored)
    _, live = live_project(observed, request.operation.server)
    _refuse_shared(project, live, restored)
    project = on_servers(project, request.operation.servers)

    fresh = request.fresh
    if fresh is not None:
        services = tuple(refreshed(service, restored, fresh) for service in project.services)
        project = replace(project, services=services)
    return replace(
        project,
        dependencies=live.dependencies,
        backups=live.backups,  # of those dependencies
        proxy=replace(live.proxy, redirects=project.proxy.redirects),  # they belong to the routes
        keep_releases=live.keep_releases,
        volumes=tuple(sorted({*project.volumes, *live.volumes})),
        secret_values={
            **project.secret_values,
            **live.secret_values,
            **(fresh.values if fresh is not None else {}),
        },
    )


def _refuse_shared(project: Project, live: Project, restored: ReleaseRecord) -> None:
    """Refuse services that have the name, or would use the data, of a current dependency.

    Raises:
        UsageError: One of its services is a dependency of the live release, or the reverse.
    """
    used = {volume: dependency.name for dependency in live.dependencies for volume in _volumes(dependency)}
    names = {dependency.name for dependency in live.dependencies}
    gone = {dependency.name for dependency in project.dependencies} - names
    before = {volume for dependency in project.dependencies for volume in _volumes(dependency)}
    for service in project.services:
        shared = next(
            (volume for volume in _volumes(service) if volume in used and volume not in before), None
        )
        if service.name in names or shared is not None:
            source = service.name if service.name in names else used[shared or ""]
            raise _moved(restored, f"{service.name} was a service then, and {source} is a dependency now")
    for service in live.services:
        if service.name in gone:
            raise _moved(restored, f"{service.name} was a dependency then, and is a service now")


def _volumes(section: Service | Dependency) -> set[str]:
    return {mount.source for mount in section.mounts if mount.is_named}


def _moved(restored: ReleaseRecord, why: str) -> UsageError:
    commit = (restored.commit or "").removesuffix("-dirty")[:12]
    return UsageError(
        f"{restored.release} cannot be restored with the current dependencies: {why}",
        cause="a rollback leaves dependencies and their data as they are",
        hint=f"`git checkout {commit}` and {ftl('deploy')} make the change in order" if commit else None,
    )


# --- notes --------------------------------------------------------------------------------------------


def _notes(
    request: RollbackRequest, restored: ReleaseRecord, images: RecordedImages, observed: Observed
) -> Iterator[str]:
    live, current = live_project(observed, request.operation.server)
    before = recorded_project(restored, request.operation.server)
    yield from _same_notes(request, restored, live, observed)
    if restored.bad:
        yield f"{restored.release} is marked bad: {restored.bad}"
    if live.rollback_of and request.release is None:
        yield f"{live.release} was a rollback to {live.rollback_of}: this goes forward to {restored.release} again"
    if request.fresh is not None:
        yield from fresh_notes(restored, request.fresh)
    for name in images.pulled_again:
        yield f"the server pulls the image of {name} again: it is no longer there"
    if current.dependencies or before.dependencies:
        differing = list(_differences(before.dependencies, current.dependencies))
        than = f"; {restored.release} had others: {', '.join(differing)}" if differing else ""
        yield f"dependencies and volumes stay as they are{than}"
    yield from hook_notes(restored, observed)


def _same_notes(
    request: RollbackRequest, restored: ReleaseRecord, live: ReleaseRecord, observed: Observed
) -> Iterator[str]:
    """Notes about releases that a rollback to would change nothing."""
    if request.release is None:
        for name in same_before(observed, live, restored):
            yield f"{name} runs the same as {live.release}"
    elif request.fresh is None and restored.release != live.release and runs_same(restored, live):
        other = last_different(observed, live)
        goes = (
            f": {ftl(f'rollback {other.release}')} goes to the last one that differs"
            if other is not None
            else ", and nothing before it differs"
        )
        yield f"{restored.release} runs the same as {live.release}{goes}"


def _differences(before: tuple[Dependency, ...], now: tuple[Dependency, ...]) -> Iterator[str]:
    known = {dependency.name: dependency for dependency in now}
    for dependency in before:
        current = known.pop(dependency.name, None)
        if current is None:
            yield f"{dependency.name} ({dependency.image}, removed since)"
        elif current.image != dependency.image:
            yield f"{dependency.name} ({dependency.image}, now {current.image})"
        elif current != dependency:
            yield f"{dependency.name} (other settings)"
    yield from (f"{name} (added since)" for name in known)
