"""Target of a rollback: the release that it restores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.plan.records.recorded import is_kept, live_record
from ftl.deploy.plan.records.same import runs_same
from ftl.errors import UsageError
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.releases.record import ReleaseRecord


def choose(observed: Observed, name: str | None) -> ReleaseRecord:
    """The release to go back to.

    Raises:
        UsageError: There is no such release, or it never was live.
    """
    live = live_record(observed)
    if name is None:
        return _before(observed, live)
    record = find_release(observed, name, possible(observed))
    if record.outcome == "live" and not record.project:
        raise UsageError(
            f"{record.release} is no longer kept",
            hint=f"{possible(observed)}; `keep_releases` in ftl.yaml sets how many stay",
        )
    if record.outcome != "live" and record.release not in observed.live_releases:
        if record.outcome == "replaced":
            raise UsageError(
                f"{record.release} cannot be restored: {observed.project} was removed since, and its configuration "
                "with it",
                hint=possible(observed),
            )
        failed = record.outcome == "failed" and record.error != "interrupted"
        why = f" ({record.error})" if failed and record.error else ""
        ended = "failed" if failed else "was interrupted"
        raise UsageError(f"{record.release} never was live: its deploy {ended}{why}", hint=possible(observed))
    return record


def refuse_impossible(observed: Observed, name: str | None) -> None:
    """Refuse a release that cannot be restored, however the operation that is under way ends.

    Raises:
        UsageError: There is no such release, or it never was live.
    """
    if name is None or not observed.releases:  # that of the operation may be the first
        return
    if find_release(observed, name, possible(observed)).outcome != "started":
        choose(observed, name)


def refuse_superseded(since: Observed, observed: Observed, name: str | None) -> None:
    """Refuse a rollback that names no release, and was meant for another live one.

    The release before the live one is another one then: of two such rollbacks at once, the second would take the first
    one back. `since` is the server as it was when the rollback began.

    Raises:
        UsageError: None was, and another release is live now.
    """
    if name is not None or observed.live_number == since.live_number:
        return
    live = observed.live_record
    newer = f"r{observed.live_number}"
    if live is not None and live.release == newer and live.rollback_of:
        newer = f"{newer}, a rollback to {live.rollback_of},"
    raise UsageError(
        f"{newer} went live while this waited; name a release",
        hint=f"{ftl('rollback RELEASE')} restores one; {possible(observed)}",
    )


def find_release(observed: Observed, name: str, hint: str) -> ReleaseRecord:
    """The record of a release, by "r12" or "12".

    Raises:
        UsageError: There is no such release.
    """
    number = release_number(name) or release_number(f"r{name}")
    record = next((record for record in observed.releases if record.number == number), None)
    if record is None:
        raise UsageError(
            f"there is no release `{name}` of {observed.project} on {observed.server}", hint=hint
        )
    return record


def _before(observed: Observed, live: ReleaseRecord) -> ReleaseRecord:
    """The last release before the live one that was live, is not marked bad, and runs something else."""
    restored = last_different(observed, live)
    if restored is not None:
        return restored
    same = same_before(observed, live, None)
    verb = "runs" if len(same) == 1 else "run"
    message = (
        f"nothing before {live.release} differs from it: {', '.join(same)} {verb} the same"
        if same
        else f"there is no release before {live.release} to go back to"
    )
    bad = any(record.bad for record in once_live(observed) if record.number < live.number)
    raise UsageError(
        message,
        hint=f"others before it are marked bad; {ftl('rollback RELEASE')} restores one of them anyway"
        if bad
        else f"`git checkout COMMIT` and {ftl('deploy')} restore earlier code; {ftl('releases')} has the commits",
    )


def last_different(observed: Observed, live: ReleaseRecord) -> ReleaseRecord | None:
    """The last release before the live one that can be restored and runs something else."""
    return next((record for record in _restorable(observed, live) if not runs_same(record, live)), None)


def same_before(observed: Observed, live: ReleaseRecord, restored: ReleaseRecord | None) -> list[str]:
    """Releases after `restored` (None: all) that run the same as the live one, newest first."""
    after = 0 if restored is None else restored.number
    return [
        record.release
        for record in _restorable(observed, live)
        if record.number > after and runs_same(record, live)
    ]


def _restorable(observed: Observed, live: ReleaseRecord) -> list[ReleaseRecord]:
    """Releases before the live one that a rollback may go to by itself, newest first."""
    return [
        record
        for record in reversed(once_live(observed))
        if record.number < live.number
        and not record.bad
        and record.project
        and record.release != live.rollback_of
    ]


def once_live(observed: Observed) -> list[ReleaseRecord]:
    """Records of the releases that were live, oldest first."""
    return [record for record in observed.releases if record.outcome == "live"]


def possible(observed: Observed, *, without: str = "") -> str:
    """Hint with the releases that a rollback can restore, and that differ from the live one."""
    live = observed.live_record
    names = [
        record.release
        for record in reversed(observed.releases)
        if is_kept(observed, record)
        and not record.bad
        and record.number != observed.live_number
        and record.release != without
        and not (live is not None and runs_same(record, live))
    ]
    return (
        f"releases that can be restored: {', '.join(names)}"
        if names
        else "there is no other release to go back to"
    )
