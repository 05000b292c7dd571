"""Audit: entries that are kept, read back and completed, also without their end."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from ftl.releases import audit
from ftl.releases.audit import AuditEntry, begun, broke_off, pack, parse, with_environments, with_releases
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, read_history, write_audit, write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine

DEPLOY = AuditEntry(10.0, "ana@laptop", "deploy", "r2", "done")
KILLED = AuditEntry(20.0, "ci@runner", "rollback r1", "r3", "started")


def test_a_preview_is_a_release_of_its_own() -> None:
    """It is listed once, as what was asked for."""
    up = replace(DEPLOY, command="preview up pr-7")
    assert with_releases((up,), [ReleaseRecord("r2", "live", 9.0)]) == (up,)


def test_entries_are_kept_beside_the_records() -> None:
    """They are read with the records, by the same call, and do not count as one."""

    async def check() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        await write_audit(engine, "shop", [DEPLOY, KILLED])
        await write_record(engine, "shop", ReleaseRecord("r2", "live", 10.0))
        history = await read_history(engine, "shop")
        assert history.audit == (DEPLOY, KILLED)
        assert [record.release for record in history.records] == ["r2"]

    run(check())
    assert KILLED.host == "runner"


def test_what_never_ended_is_called_interrupted_by_the_next() -> None:
    """The next change holds the lock, so the one before cannot run any more."""
    entry = AuditEntry(30.0, "ana@laptop", "deploy", "r4", "started")
    assert [one.outcome for one in begun((DEPLOY, KILLED), entry)] == ["done", "interrupted", "started"]


def test_damaged_lines_and_unknown_fields_do_not_matter() -> None:
    """A newer FTL may write more; a line that was cut is left out."""
    data = pack([DEPLOY]) + b'{"time": 1.0, "by"' + b"\n" + b'{"time": 3, "more": 1}\n[]\n'
    assert parse(data) == (DEPLOY,)
    more = pack([DEPLOY]).replace(b"}", b', "more": 1}')
    assert parse(more) == (DEPLOY,)


def test_a_line_with_a_value_of_another_type_is_left_out() -> None:
    """A number as command has no words to look at."""
    wrong: dict[str, object] = {"command": 5, "by": None, "release": [], "time": "now", "outcome": {}}
    stored = asdict(DEPLOY)
    lines = b"".join(json.dumps(stored | {name: value}).encode() + b"\n" for name, value in wrong.items())
    assert parse(lines + pack([DEPLOY])) == (DEPLOY,)


def test_the_file_stays_small() -> None:
    """Only the last entries are kept."""
    entries = [
        AuditEntry(float(number), "a@b", "deploy", f"r{number}", "done") for number in range(2 * audit.KEPT)
    ]
    assert parse(pack(entries)) == tuple(entries[-audit.KEPT :])


def test_releases_without_an_entry_are_listed_too() -> None:
    """FTL 0.1.0 wrote records only, also where a newer one was used before and after."""
    records = [
        ReleaseRecord("r1", "failed", 5.0, by="bob@desk"),
        ReleaseRecord("r2", "live", 10.0),
        ReleaseRecord("r3", "live", 15.0, by="bob@desk"),
    ]
    restart = AuditEntry(20.0, "ana@laptop", "restart", "r3", "done")
    assert with_releases((DEPLOY, restart), records) == (
        AuditEntry(5.0, "bob@desk", "deploy", "r1", "failed"),
        DEPLOY,
        AuditEntry(15.0, "bob@desk", "deploy", "r3", "done"),
        restart,
    )


def test_an_entry_names_its_environment() -> None:
    """What earlier versions stored without one has that of its release, and so have releases without an entry."""
    staged = replace(DEPLOY, environment="staging")
    assert parse(pack([staged])) == (staged,)
    records = [
        ReleaseRecord("r1", "live", 5.0, by="bob@desk", environment="staging"),
        ReleaseRecord("r2", "live", 10.0, environment="staging"),
    ]
    found = with_environments(with_releases((DEPLOY, KILLED), records), records)
    assert [entry.environment for entry in found] == ["staging", "staging", ""]


@pytest.mark.parametrize(
    ("entries", "broken"),
    [
        ("", False),
        ("deploy:done", False),
        ("stop:started", True),
        ("deploy:done stop:interrupted", True),
        ("deploy:done stop:failed maintenance:done prune:done restore:done", True),
        ("deploy:done stop:interrupted deploy:failed", True),
        ("stop:interrupted restart:done maintenance:done", False),
        ("stop:interrupted start:done stop:done", False),
        ("stop:interrupted rollback:done jobs:failed", True),
    ],
)
def test_a_change_that_broke_off_counts_until_something_has_repaired_it(entries: str, broken: bool) -> None:
    """Commands whose plan does not compare the containers come in between, and repair nothing."""
    pairs = (entry.split(":") for entry in entries.split())
    audited = [
        replace(DEPLOY, command=f"{command} x", outcome=outcome)  # type: ignore[arg-type]
        for command, outcome in pairs
    ]
    assert broke_off(audited) is broken
