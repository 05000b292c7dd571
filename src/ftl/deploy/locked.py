"""Deploy lock around a change of a server, and the line that it gets in the audit.

An operation takes these parts around its plan; a change without a plan (`ftl restore`, `ftl jobs run`) uses `locked`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.errors import FtlError
from ftl.locks.lock import DeployLock
from ftl.locks.loss import cancelled_if_lost
from ftl.locks.several import all_taken, look
from ftl.releases.audit import AuditEntry, begun
from ftl.releases.store import read_history, write_audit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.deploy.command_line import GivenCommand
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.locks.script_lines import Holder
    from ftl.releases.audit import AuditOutcome

RECORD_SECONDS = 15.0
"""Limit for recording how an operation ended, once it has."""


@asynccontextmanager
async def locked(
    fleet: Fleet, project: str, *, command: GivenCommand, by: str, emit: Emit
) -> AsyncIterator[None]:
    """Take a project's deploy lock for a block, and write an audit line for its changes.

    The first server gets the line.

    Raises:
        LockTaken: Another operation has the lock.
        ServerError: The server does not answer, or the lock was lost; the block is cancelled then.
    """
    session = fleet.first
    holder = holder_name(session, by, command.verb)
    async with lock_taken(fleet, project, holder, wait=command.lock_wait, emit=emit) as heartbeat:
        history = await read_history(session.engine, project)
        live = next((record for record in reversed(history.records) if record.outcome == "live"), None)
        release, environment = (live.release, live.environment) if live is not None else ("", "")
        entry = AuditEntry(session.info.now, by, command.text, release, "started", environment)
        async with (
            audited([session.engine], project, begun(history.audit, entry)),
            cancelled_if_lost(heartbeat),
        ):
            yield


def lock_taken(
    fleet: Fleet, project: str, holder: str, *, wait: float, emit: Emit
) -> AbstractAsyncContextManager[asyncio.Task[None]]:
    """Take a project's deploy lock, as `ServerLock.taken`.

    In a cluster those of all managers that can change it. Somebody else may reach other managers than we do.
    """
    return all_taken(deploy_locks(fleet, project), holder, wait=wait, emit=emit)


async def known_holder(fleet: Fleet, project: str) -> Holder | None:
    """Find who changes a project, by any of the locks that a change needs.

    For commands that only read: a lock that cannot be looked at is no error.
    """
    holder, _ = await look(deploy_locks(fleet, project))
    return holder


def deploy_locks(fleet: Fleet, project: str) -> list[DeployLock]:
    """The locks that a change of a project needs."""
    return [deploy_lock(session, project) for session in lock_servers(fleet)]


def deploy_lock(session: Session, project: str) -> DeployLock:
    """The lock of a project on a server."""
    return DeployLock(session.machine, project, session.info.id)


def lock_servers(fleet: Fleet) -> list[Session]:
    """The servers whose lock a change needs, in the order that all callers use.

    The only one; of several the managers that answer. One that is cut off from the others can change nothing.
    """
    first = fleet.first
    managers = [
        one for one in fleet if one.info.has_leader and one.info.times_begun == first.info.times_begun
    ]
    return sorted(managers, key=lambda one: one.info.node) or [first]


def holder_name(session: Session, by: str, verb: str) -> str:
    """Our name for others who want the lock.

    It has the first word of the command, unless that is a deploy. The time is the server's in UTC: they may be in
    another zone.
    """
    return f"{by}{'' if verb == 'deploy' else f' ({verb})'} since {session.info.moment:%H:%M:%S} UTC"


@asynccontextmanager
async def audited(
    engines: Sequence[Engine], project: str, entries: tuple[AuditEntry, ...], *, recorded: bool = False
) -> AsyncIterator[None]:
    """Record that an operation begins, and how it ends; a lost server costs only that.

    What is killed in between stays "started" there, and the next operation calls it interrupted. The last entry is the
    operation's; of a cluster the managers get it. If the operation is `recorded`, its first step is a release record,
    which says the same, and the entry is written beside it. Otherwise nothing begins before the entry is there.
    """
    beginning = asyncio.create_task(_write(engines, project, entries))
    outcome: AuditOutcome = "done"
    try:
        if not recorded:
            await asyncio.wait({beginning})
        yield
    except BaseException as error:
        outcome = "failed" if isinstance(error, FtlError) else "interrupted"
        raise
    finally:
        await asyncio.wait({beginning})
        await _write(engines, project, (*entries[:-1], replace(entries[-1], outcome=outcome)))


async def _write(engines: Sequence[Engine], project: str, entries: tuple[AuditEntry, ...]) -> None:
    with suppress(FtlError, TimeoutError):  # before the first deploy there is nowhere to write to
        async with asyncio.timeout(RECORD_SECONDS):
            await gather_all(write_audit(engine, project, entries) for engine in engines)
