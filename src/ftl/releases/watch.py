"""Watch of a release after its switch (`ftl deploy --watch`), as the server stores it.

FTL writes that it begins, the script on the server how it ends: a shell must not rewrite a release record, which has
secrets. So a file of its own beside the record (`r12.watch.json`) says that a release was taken back.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, get_args

from ftl.common.json_fields import as_float, as_object, as_str, parse_json
from ftl.dataclass import dataclass
from ftl.releases.audit import AuditEntry, in_order
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.releases.record import ReleaseRecord

SUFFIX = ".watch.json"

WatchOutcome = Literal["watching", "passed", "switched_back", "ended"]
"""`ended` where another operation took over."""

GRACE_SECONDS = 180.0
"""Seconds for old containers to finish and stop; a watch that takes longer was interrupted."""


@dataclass(frozen=True, slots=True)
class ReleaseWatch:
    """Watch of one release.

    Attributes:
        before: The release to go back to.
        by: Who deployed.
        until: When it ends, Unix time in seconds.
        outcome: "watching" until it ends.
        time: When it ended, Unix time in seconds; 0 until then.
        reason: Why it ended early, in words.
    """

    release: str
    before: str
    by: str
    until: float
    outcome: WatchOutcome = "watching"
    time: float = 0.0
    reason: str = ""

    def head(self) -> str:
        """Beginning of its JSON object, to which the script on the server adds how it ended."""
        return json.dumps({"before": self.before, "by": self.by, "until": self.until})[:-1]

    def to_json(self) -> bytes:
        """The watch as it is stored when it begins."""
        return f'{self.head()}, "outcome": "{self.outcome}"}}\n'.encode()


_OUTCOMES: dict[str, WatchOutcome] = {outcome: outcome for outcome in get_args(WatchOutcome)}


def parse(release: str, data: bytes) -> ReleaseWatch | None:
    """Read a stored watch; None where the bytes are not one."""
    try:
        stored = as_object(parse_json(data))
    except ValueError:
        return None
    outcome = _OUTCOMES.get(as_str(stored.get("outcome")))
    if outcome is None:
        return None
    return ReleaseWatch(
        release=release,
        before=as_str(stored.get("before")),
        by=as_str(stored.get("by")),
        until=as_float(stored.get("until")),
        outcome=outcome,
        time=as_float(stored.get("time")),
        reason=as_str(stored.get("reason")),
    )


def parse_watches(files: Mapping[str, bytes]) -> dict[str, ReleaseWatch]:
    """Release -> its watch, from a project's files ("PROJECT/r12.watch.json")."""
    watches: dict[str, ReleaseWatch] = {}
    for name, data in files.items():
        file = PurePosixPath(name).name
        release = file.removesuffix(SUFFIX)
        watch = parse(release, data) if file.endswith(SUFFIX) and release_number(release) else None
        if watch is not None:
            watches[release] = watch
    return watches


def with_watches(
    records: Iterable[ReleaseRecord], watches: Mapping[str, ReleaseWatch]
) -> tuple[ReleaseRecord, ...]:
    """Records in which a release that its watch took back is a failed one."""
    return tuple(
        replace(record, outcome="failed", error=f"taken back by its watch: {watch.reason}")
        if (watch := watches.get(record.release)) is not None
        and watch.outcome == "switched_back"
        and record.outcome in ("live", "started")
        else record
        for record in records
    )


def with_watch_entry(
    entries: Iterable[AuditEntry], watches: Mapping[str, ReleaseWatch]
) -> tuple[AuditEntry, ...]:
    """Add an entry for each release that was taken back, unless a later operation has stored it."""
    known = tuple(entries)
    stored = {entry.command for entry in known}
    switched_back = (
        AuditEntry(watch.time, watch.by, f"watch {watch.release}", watch.before, "done")
        for watch in watches.values()
        if watch.outcome == "switched_back"
    )
    new = [entry for entry in switched_back if entry.command not in stored]
    return in_order(known, new)
