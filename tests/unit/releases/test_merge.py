"""Histories of several managers: of each file the copy that was changed last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.releases.audit import AuditEntry, AuditOutcome
from ftl.releases.merge import Copies, lacking, merged_audit, merged_records
from ftl.releases.record import ReleaseOutcome, ReleaseRecord


def record(number: int, outcome: ReleaseOutcome = "live", *, values: bool = True) -> ReleaseRecord:
    """A release."""
    return ReleaseRecord(f"r{number}", outcome, float(number), project={"name": "shop"} if values else {})


LIVE = record(1)
BAD = replace(LIVE, bad="leaks", changes=1)
GOOD_AGAIN = replace(LIVE, changes=2)
EMPTIED = replace(record(1, values=False), changes=1)
UNREADABLE = ReleaseRecord("r1", "started", 0.0)
BY_AUDIT = ReleaseRecord("r1", "live", 1.0)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (Copies([record(1, "started")]), Copies([LIVE])),
        (Copies([LIVE]), Copies([BAD])),
        (Copies([BAD]), Copies([GOOD_AGAIN])),
        (Copies([LIVE]), Copies([EMPTIED])),
        (Copies([LIVE]), Copies([record(1, values=False)])),
        (Copies([UNREADABLE], ["r1.json"]), Copies([record(1, "started")])),
        (Copies([BY_AUDIT], ["r1.json"]), Copies([LIVE])),
        (Copies([LIVE], ["r1.json"]), Copies([record(1, "started")])),
    ],
    ids=["ended", "marked", "no-longer-marked", "emptied", "summed-up", "unreadable", "by-audit", "old-copy"],
)
def test_the_copy_that_was_changed_last_counts(older: Copies, newer: Copies) -> None:
    """Whichever manager has it; and it is what the other one lacks."""
    assert merged_records([older, newer]) == merged_records([newer, older]) == tuple(newer.records)
    assert lacking(older, newer.records) == tuple(newer.records)
    assert lacking(newer, newer.records) == ()


def test_of_two_releases_with_one_number_the_later_one_counts() -> None:
    """A manager of a cluster that was rebuilt without it comes back with records that were changed since."""
    later = replace(LIVE, started=5.0)
    former, own = Copies([BAD]), Copies([later])
    assert merged_records([former, own]) == merged_records([own, former]) == (later,)
    assert lacking(former, [later]) == ()  # another release, which is not overwritten
    assert lacking(Copies([BAD], ["r1.json"]), [later]) == (later,)


def test_what_one_manager_lacks_is_no_reason_to_lose_it() -> None:
    """Each has a release that the other one does not know."""
    one, two = Copies([LIVE, record(2)]), Copies([BAD, record(3)])
    every = merged_records([one, two])
    assert every == (BAD, record(2), record(3))
    assert lacking(one, every) == (BAD, record(3))
    assert lacking(two, every) == (record(2),)
    assert lacking(Copies([]), merged_records([Copies([EMPTIED, record(2)])])) == (record(2),)


def test_a_damaged_record_of_all_managers_is_left_as_it_is() -> None:
    """What the audit says in its place is not written as if it were whole."""
    only = Copies([BY_AUDIT], ["r1.json"])
    assert merged_records([only, Copies([])]) == (BY_AUDIT,)
    assert lacking(only, [BY_AUDIT]) == ()


def entry(time: float, outcome: AuditOutcome = "done") -> AuditEntry:
    """A change."""
    return AuditEntry(time, "me@here", f"deploy {time}", "r1", outcome)


def test_the_changes_of_all_managers_are_told() -> None:
    """In the order of the longest; what ended for one has ended."""
    first = (entry(1), entry(2, "started"), entry(4))
    other = (entry(1), entry(2, "failed"), entry(3))
    for histories in ([first, other, ()], [(), other, first]):
        assert merged_audit(histories) == (entry(1), entry(2, "failed"), entry(3), entry(4))
    assert merged_audit([first]) == first
    assert merged_audit([]) == ()
