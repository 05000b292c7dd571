"""Releases of a project: their list, and marks on bad ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ftl.dataclass import dataclass
from ftl.deploy.operation import Operation, observed_session, run
from ftl.deploy.plan.model import Plan, Stage
from ftl.deploy.plan.recorded import recorded_images, recorded_project
from ftl.deploy.plan.steps import AmendRecords
from ftl.errors import FtlError, UsageError
from ftl.host.lock import DeployLock
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config import Server
    from ftl.deploy.observe.state import Observed
    from ftl.events import Emit
    from ftl.releases.record import ReleaseRecord
    from ftl.ssh.machine import Machine

Outcome = Literal["live", "replaced", "failed", "interrupted", "started"]


@dataclass(frozen=True, slots=True)
class Release:
    """A release as `ftl releases` lists it.

    Attributes:
        live: Whether it serves now.
        kept: Whether its images still exist, so that a rollback to it is possible.
    """

    record: ReleaseRecord
    outcome: Outcome
    live: bool
    kept: bool


async def releases(project: str, server: Server, machine: Machine) -> tuple[Release, ...]:
    """All releases of a project, newest first.

    Raises:
        ServerError, EngineError: The server does not answer.
    """
    async with observed_session(machine, project) as (session, observed):
        newest = observed.releases[-1] if observed.releases else None
        under_way = False
        if newest is not None and newest.outcome == "started":
            under_way = await DeployLock(session.machine, project, session.info.id).holder() is not None
    return listed(observed, server, under_way=under_way)


def listed(observed: Observed, server: Server, *, under_way: bool = False) -> tuple[Release, ...]:
    """The releases of an observed server, newest first. Pure.

    Args:
        observed: The server.
        server: Its address.
        under_way: Whether the newest release is being made now.
    """
    live = observed.live_number
    newest = observed.releases[-1].number if observed.releases else 0

    def outcome(record: ReleaseRecord) -> Outcome:
        if record.outcome == "live" or record.release in observed.live_releases:
            return "live" if record.number == live else "replaced"
        if record.outcome == "started":
            return "started" if under_way and record.number == newest else "interrupted"
        # FTL 0.1.0 recorded an interruption by a signal as a failure.
        return "interrupted" if record.error == "interrupted" else record.outcome

    return tuple(
        Release(record, outcome(record), record.number == live, _is_kept(observed, server, record))
        for record in reversed(observed.releases)
    )


def _is_kept(observed: Observed, server: Server, record: ReleaseRecord) -> bool:
    if record.outcome != "live" or not record.project:
        return False
    try:
        return not recorded_images(observed, recorded_project(record, server), record).missing
    except FtlError:
        return False


@dataclass(frozen=True, slots=True)
class MarkRequest:
    """A release to be marked bad.

    Attributes:
        release: Its name.
        reason: Why nobody should go back to it; empty takes the mark away.
    """

    project: str
    server: Server
    root: Path
    by: str
    release: str
    reason: str


async def mark_bad(request: MarkRequest, machine: Machine, *, emit: Emit) -> None:
    """Mark a release as bad: a rollback without a release's name skips it.

    Raises:
        UsageError: There is no such release.
        ServerError, LockHeld, EngineError.
    """
    async with observed_session(machine, request.project) as (session, observed):
        operation = Operation(
            command=f"releases --mark-bad {request.release}",
            project=recorded_project(_record(observed, request.release), request.server),
            root=request.root,
            by=request.by,
            plan=lambda server: plan_mark(server, request.release, request.reason),
        )
        await run(operation, session, observed, emit=emit)


def plan_mark(observed: Observed, release: str, reason: str) -> Plan:
    """Plan to mark a release. Pure.

    Raises:
        UsageError: There is no such release.
    """
    record = _record(observed, release)
    step = AmendRecords(observed.project, (replace(record, bad=reason),), "marked bad")
    stages = (Stage("record", ((step,),)),) if record.bad != reason else ()
    return Plan(observed.server, observed.project, f"r{observed.live_number}", (), stages)


def _record(observed: Observed, name: str) -> ReleaseRecord:
    number = release_number(name) or release_number(f"r{name}")
    record = next((record for record in observed.releases if record.number == number), None)
    if record is None:
        raise UsageError(
            f"there is no release `{name}` of {observed.project} on {observed.server}",
            hint="`ftl releases` lists them",
        )
    return record
