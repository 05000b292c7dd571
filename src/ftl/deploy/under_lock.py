"""The part of a deploy that changes the server: under the lock, from a fresh look to the record of how it ended."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.apply.executor import apply
from ftl.deploy.observe.state import observe
from ftl.errors import FtlError
from ftl.events import Note, Planned
from ftl.host.lock import locked
from ftl.releases import store
from ftl.releases.record import origins

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ftl.deploy.apply.context import Work
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Request
    from ftl.host.session import Session

RECORD_SECONDS = 15.0
"""How long writing down a failure may take, when the deploy itself has already failed."""


async def apply_under_lock(request: Request, work: Work, session: Session, *, lock_wait: float) -> Plan:
    """Take the lock, look again (another deploy may have ended meanwhile), and run the plan.

    Returns:
        The plan that was run.

    Raises:
        LockHeld: Another deploy has the lock, and `lock_wait` seconds were not enough.
        FtlError: As `apply`.
    """
    name = request.project.name
    holder = f"{request.author.name} since {time.strftime('%H:%M:%S')}"
    async with locked(session.machine, name, holder=holder, wait=lock_wait, emit=work.emit) as beating:
        observed = await observe(session.engine, session.info, name, session.name)
        plan = request.plan(observed)
        work.origins = origins(observed.releases)
        for note in plan.notes:
            work.emit(Note(note))
        work.emit(Planned(plan.server, plan.release, tuple(step.text for step in plan.steps)))
        await _while_held(beating, _recorded(plan, work))
    return plan


async def _while_held(beating: asyncio.Task[None], work: Coroutine[None, None, None]) -> None:
    """Run work that may only go on while the lock is held."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, beating}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    if task.cancelled():
        beating.result()
    task.result()


async def _recorded(plan: Plan, work: Work) -> None:
    """Run the plan; what goes wrong is written into the release's record as well."""
    try:
        await apply(plan, work)
    except BaseException as error:
        if work.cut_short:
            work.emit(
                Note(
                    f"{plan.release} is live, but the deploy did not come to its end",
                    "warning",
                    hint="`ftl deploy` again finishes what is left: routes, old containers; hooks do not run again",
                )
            )
        elif work.committed:
            work.emit(
                Note(f"{plan.release} is live, and all is done but what its post hooks are for", "warning")
            )
        else:
            if any(one.kind == "service" and one.action != "created" for one in plan.changes):
                work.emit(Note("nothing was switched: the release that was live goes on"))
            if plan.record is not None:
                await _record_failure(plan, work, error)
        raise


async def _record_failure(plan: Plan, work: Work, error: BaseException) -> None:
    assert plan.record is not None
    failed = replace(
        plan.record,
        outcome="failed",
        seconds=max(0.0, time.time() - plan.record.started),
        error=error.message if isinstance(error, FtlError) else "interrupted",
    )
    try:
        async with asyncio.timeout(RECORD_SECONDS):
            await store.write(work.engine, plan.project, failed)
    except (FtlError, TimeoutError):
        return  # the server is out of reach: the record stays as "started", which says the same
