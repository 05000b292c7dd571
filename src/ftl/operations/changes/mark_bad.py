"""Mark a release as bad: a rollback without a release's name skips it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.opening import open_operation
from ftl.deploy.plan.model import Plan, Stage
from ftl.deploy.plan.steps.records import AmendRecords
from ftl.operations.changes.rollback.choice import find_release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.events import Emit
    from ftl.ssh.machine import Machine

_HINT = f"{ftl('releases')} lists them"


async def mark_bad(
    request: OperationRequest, machines: Sequence[Machine], release: str, reason: str, *, emit: Emit
) -> None:
    """Mark a release as bad; an empty reason takes the mark away.

    Its record is enough: that of a failed release soon has no project any more.

    Raises:
        UsageError: There is no such release.
        ServerError, LockTaken, EngineError.
    """
    async with open_operation(request, machines, emit) as prepared:
        await prepared.run(request.bare_project, lambda server: plan_mark(server, release, reason), emit=emit)


def plan_mark(observed: Observed, release: str, reason: str) -> Plan:
    """Plan to mark a release. Pure.

    Raises:
        UsageError: There is no such release.
    """
    record = find_release(observed, release, _HINT)
    step = AmendRecords(
        observed.project, (replace(record, bad=reason),), "marked bad" if reason else "no longer marked bad"
    )
    stages = (Stage("record", ((step,),)),) if record.bad != reason else ()
    return Plan.without_release(observed, stages)
