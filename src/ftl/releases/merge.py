"""Merge the histories of a cluster's managers: the copy counts that was changed last. Pure.

A manager that was away lacks what the others wrote meanwhile, and may still have something newer than they have: each
record, the hold and the audit are compared by themselves. What one lacks counts as nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.releases.audit import KEPT, in_order
from ftl.releases.record import is_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.releases.audit import AuditEntry
    from ftl.releases.record import ReleaseRecord


_State = tuple[bool, float, int, bool, bool]


@dataclass(frozen=True, slots=True)
class Copies:
    """The records of one manager.

    Attributes:
        damaged: Files whose newest content is lost: what stands in their place is older, or made from other files.
    """

    records: Sequence[ReleaseRecord]
    damaged: Sequence[str] = ()

    def is_whole(self, record: ReleaseRecord) -> bool:
        """Whether nothing of a record is lost."""
        return not is_unreadable(record) and f"{record.release}.json" not in self.damaged

    def state(self, record: ReleaseRecord) -> _State:
        """Key that grows with each change of a record: its end, a mark, the removal of values.

        Of two releases with one number, as after a cluster was rebuilt without a manager that comes back, the later one
        counts, whatever was changed in the other.
        """
        ended, is_emptied = record.outcome != "started", not record.project
        return (self.is_whole(record), record.started, record.changes, ended, is_emptied)


_WHOLE = Copies(())


def merged_records(managers: Iterable[Copies]) -> tuple[ReleaseRecord, ...]:
    """All records, each as it was changed last, oldest first; of equals the first counts."""
    found: dict[str, tuple[ReleaseRecord, _State]] = {}
    for copies in managers:
        for record in copies.records:
            state = copies.state(record)
            if record.release not in found or state > found[record.release][1]:
                found[record.release] = record, state
    return tuple(sorted((record for record, _ in found.values()), key=lambda record: record.number))


def lacking(own: Copies, every: Iterable[ReleaseRecord]) -> tuple[ReleaseRecord, ...]:
    """List the records that a manager lacks, or has as they were before they were changed.

    Of releases that it never knew, it needs those that a rollback goes back to, and those after its own: the others get
    there when old records are summed up. Another release of the same number is not overwritten.
    """
    known = {record.release: record for record in own.records}
    last = max((record.number for record in own.records), default=0)

    def lacks(record: ReleaseRecord) -> bool:
        mine = known.get(record.release)
        if mine is None:
            return bool(record.project) or 0 < last < record.number
        if own.is_whole(mine) and mine.started != record.started:
            return False
        return record != mine and _WHOLE.state(record) > own.state(mine)

    return tuple(filter(lacks, every))


def merged_audit(histories: Sequence[Sequence[AuditEntry]]) -> tuple[AuditEntry, ...]:
    """The entries of all, in the order of the latest history, ended where one says so."""
    base = max(
        histories, key=lambda entries: (entries[-1].time if entries else 0.0, len(entries)), default=()
    )
    ended = {_change(entry): entry for each in histories for entry in each if entry.outcome != "started"}
    known = {_change(entry) for entry in base}
    oldest = base[0].time if len(base) >= KEPT else 0.0
    others = {
        _change(entry): ended.get(_change(entry), entry)
        for each in histories
        for entry in each
        if _change(entry) not in known and entry.time >= oldest
    }
    stored = tuple(
        ended.get(_change(entry), entry) if entry.outcome == "started" else entry for entry in base
    )
    return in_order(stored, others.values()) if others else stored


def _change(entry: AuditEntry) -> tuple[float, str, str]:
    """Key of a change, which stays the same when it ends."""
    return (entry.time, entry.by, entry.command)
