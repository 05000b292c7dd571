"""Audit of a project: its changes on the server, newest first. Read-only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.deploy.locked import known_holder
from ftl.host.fleet import open_readable
from ftl.releases.audit import begun, with_environments, with_releases
from ftl.releases.merge import Copies, merged_audit, merged_records
from ftl.releases.pruned import note_pruned
from ftl.releases.store import read_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.events import Emit
    from ftl.host.fleet import FleetConnector
    from ftl.releases.audit import AuditEntry
    from ftl.ssh.machine import Machine


async def audit(
    project: str, machines: Sequence[Machine], emit: Emit, *, connect: FleetConnector = open_readable
) -> tuple[AuditEntry, ...]:
    """All changes of a project, newest first.

    In a cluster by all servers that answer: one may have been a manager.
    A note says where they cannot be read.

    Raises:
        ServerError, EngineError: No server answers.
    """
    async with connect(machines, emit) as fleet:
        session = fleet.first
        histories = await gather(read_history(one.engine, project) for one in fleet)
        records = merged_records(Copies(each.records, each.damaged) for each in histories)
        entries = merged_audit([each.audit for each in histories])
        entries = with_environments(with_releases(entries, records), records)
        if not entries:
            await note_pruned(session.engine, session.name, emit)
        if entries and entries[-1].outcome == "started" and await known_holder(fleet, project) is None:
            entries = (*entries[:-1], replace(entries[-1], outcome="interrupted"))
    return tuple(reversed((*begun(entries[:-1], entries[-1]),) if entries else ()))
