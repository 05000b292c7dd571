"""Releases of a project, as `ftl releases` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftl.dataclass import dataclass
from ftl.deploy.locked import known_holder
from ftl.deploy.plan.records.recorded import is_kept
from ftl.releases.pruned import note_pruned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.observer import Observer
    from ftl.deploy.observe.state import Observed
    from ftl.events import Emit
    from ftl.releases.record import ReleaseRecord
    from ftl.ssh.machine import Machine

ListedOutcome = Literal["live", "replaced", "failed", "interrupted", "started"]
"""Outcome as `ftl releases` lists it: `replaced` was live once, `started` is under way."""


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release as `ftl releases` lists it.

    Attributes:
        kept: Whether its images still exist, so that a rollback to it is possible.
    """

    record: ReleaseRecord
    outcome: ListedOutcome
    live: bool
    kept: bool


async def releases(
    project: str,
    machines: Sequence[Machine],
    servers: Sequence[ClusterServer] = (),
    *,
    emit: Emit,
    observer: Observer,
) -> tuple[tuple[ReleaseRow, ...], float]:
    """All releases of a project, newest first, and the Unix time by the server's clock.

    Without the `servers` of a cluster, one server is asked alone. A note says where records cannot be read.

    Raises:
        ServerError, EngineError: The server does not answer.
    """
    async with observer.connect(machines, emit) as fleet:
        session, observed = fleet.first, await observer.observe(fleet, project, servers)
        newest = observed.releases[-1] if observed.releases else None
        under_way = False
        if newest is None:
            await note_pruned(session.engine, session.name, emit)
        if newest is not None and newest.outcome == "started":
            under_way = await known_holder(fleet, project) is not None
    return list_releases(observed, under_way=under_way), session.info.now


def list_releases(observed: Observed, *, under_way: bool = False) -> tuple[ReleaseRow, ...]:
    """The releases of an observed server, newest first; the newest may be under way. Pure."""
    live = observed.live_number
    newest = observed.releases[-1].number if observed.releases else 0

    def outcome(record: ReleaseRecord) -> ListedOutcome:
        if record.outcome == "live" or record.release in observed.live_releases:
            return "live" if record.number == live else "replaced"
        if record.outcome == "started":
            return "started" if under_way and record.number == newest else "interrupted"
        # FTL 0.1.0 recorded an interruption by a signal as a failure.
        return "interrupted" if record.error == "interrupted" else record.outcome

    return tuple(
        ReleaseRow(record, outcome(record), record.number == live, is_kept(observed, record))
        for record in reversed(observed.releases)
    )
