"""Audit: one line for each change of a project on its server, kept with the release records."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Literal, get_args

from ftl.common.json_fields import as_float, as_object, as_str, parse_json
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.releases.record import ReleaseOutcome, ReleaseRecord

FILE = "audit.jsonl"

KEPT = 500
"""Number of entries that are kept: about 80 kB, which every command reads with the records."""

_RELEASING = ("deploy", "preview", "rollback")
"""First words of the commands that make releases."""

_REPAIRING = (*_RELEASING, "restart", "scale", "start")
"""First words of the commands whose plans compare all containers of a project."""

AuditOutcome = Literal["started", "done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change of a project.

    Attributes:
        time: When it began, Unix time in seconds.
        by: Who made it: user@machine.
        command: The command line without `ftl`.
        release: The release that is live if it succeeded.
        outcome: "started" until it ends.
        environment: The environment that it was made in (`ftl -e staging`); empty: none.
    """

    time: float
    by: str
    command: str
    release: str
    outcome: AuditOutcome
    environment: str = ""

    @property
    def host(self) -> str:
        """The machine that it was made from."""
        return self.by.rpartition("@")[2]


def parse(data: bytes) -> tuple[AuditEntry, ...]:
    """The entries in a stored file, oldest first; lines that cannot be read are left out."""
    entries = (_entry(line) for line in data.splitlines())
    return tuple(entry for entry in entries if entry is not None)


_OUTCOMES: dict[str, AuditOutcome] = {outcome: outcome for outcome in get_args(AuditOutcome)}


def _entry(line: bytes) -> AuditEntry | None:
    try:
        stored = as_object(parse_json(line))
    except ValueError:
        return None
    texts = [stored.get(name) for name in ("by", "command", "release")]
    outcome = _OUTCOMES.get(as_str(stored.get("outcome")))
    number = isinstance(stored.get("time"), int | float)
    if outcome is None or not number or not all(isinstance(text, str) for text in texts):
        return None
    by, command, release = map(as_str, texts)
    environment = as_str(stored.get("environment"))
    return AuditEntry(as_float(stored.get("time")), by, command, release, outcome, environment)


def pack(entries: Sequence[AuditEntry]) -> bytes:
    """The stored form of the last `KEPT` entries."""
    return b"".join(json.dumps(asdict(entry)).encode() + b"\n" for entry in entries[-KEPT:])


def begun(entries: Iterable[AuditEntry], entry: AuditEntry) -> tuple[AuditEntry, ...]:
    """Add an entry; those that never ended were interrupted, since the lock was free."""
    return (*(_ended(old) for old in entries), entry)


def _ended(entry: AuditEntry) -> AuditEntry:
    return replace(entry, outcome="interrupted") if entry.outcome == "started" else entry


def broke_off(entries: Sequence[AuditEntry]) -> bool:
    """Whether a change broke off, and no later one has repaired its leftovers."""
    for entry in reversed(entries):
        if entry.outcome != "done":
            return True
        if entry.command.partition(" ")[0] in _REPAIRING:
            return False
    return False


def with_releases(entries: Iterable[AuditEntry], records: Iterable[ReleaseRecord]) -> tuple[AuditEntry, ...]:
    """Add entries for releases that have none: FTL 0.1.0 made them. Oldest first."""
    known = tuple(entries)
    releases = {entry.release for entry in known if entry.command.partition(" ")[0] in _RELEASING}
    outcomes: dict[str, AuditOutcome] = {
        "live": "done",
        "replaced": "done",
        "failed": "failed",
        "interrupted": "interrupted",
    }
    others = (
        AuditEntry(
            record.started,
            record.by,
            "deploy",
            record.release,
            outcomes.get(record.outcome, "started"),
            record.environment,
        )
        for record in records
        if record.started and record.release not in releases
    )
    return in_order(known, others)


def with_environments(
    entries: Iterable[AuditEntry], records: Iterable[ReleaseRecord]
) -> tuple[AuditEntry, ...]:
    """Entries with their environment; earlier versions wrote it into release records only."""
    of_release = {record.release: record.environment for record in records}
    return tuple(
        replace(entry, environment=entry.environment or of_release.get(entry.release, ""))
        for entry in entries
    )


def with_audit(record: ReleaseRecord, entries: Iterable[AuditEntry]) -> ReleaseRecord:
    """A record that cannot be read, with the outcome that the audit has of its release."""
    outcomes: dict[AuditOutcome, ReleaseOutcome] = {
        "done": "live",
        "failed": "failed",
        "interrupted": "interrupted",
    }
    found = [
        entry
        for entry in entries
        if entry.release == record.release and entry.command.partition(" ")[0] in _RELEASING
    ]
    if not found:
        return record
    first, last = found[0], found[-1]
    return replace(record, outcome=outcomes.get(last.outcome, "started"), started=first.time, by=first.by)


def in_order(stored: Sequence[AuditEntry], others: Iterable[AuditEntry]) -> tuple[AuditEntry, ...]:
    """Entries in the order in which they were stored, with others among them by their times.

    The times of stored ones may be wrong: earlier versions of FTL took them from the clock of whoever made the change.
    """
    merged = list(stored)
    for other in sorted(others, key=lambda entry: entry.time):
        place = next((at for at, entry in enumerate(merged) if entry.time > other.time), len(merged))
        merged.insert(place, other)
    return tuple(merged)
