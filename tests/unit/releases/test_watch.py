"""Watches of releases in the store: their outcome in records and audit."""

from __future__ import annotations

import asyncio

from ftl.releases.audit import AuditEntry, pack
from ftl.releases.file_copies import newest
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, parse_history, read_watch, write_watch
from ftl.releases.watch import ReleaseWatch
from tests.support.fake_engine import FakeEngine

WATCH = ReleaseWatch("r2", "r1", "ann@laptop", 400.0)
BACK = WATCH.head() + ', "outcome": "switched_back", "time": 150, "reason": "web answered 5 of 9"}\n'
FILES = {
    "shop/r1.json": ReleaseRecord("r1", "live", 1.0).to_json(),
    "shop/r2.json": ReleaseRecord("r2", "live", 100.0, project={"env": "secret"}).to_json(),
    "shop/audit.jsonl": pack([AuditEntry(100.0, "ann@laptop", "deploy", "r2", "done")]),
}


def test_a_release_that_was_taken_back_has_failed() -> None:
    """Its record says so with the reason, and the audit has a line for it, once."""
    history = parse_history("shop", newest({**FILES, "shop/r2.watch.json": BACK.encode()}))
    assert [record.outcome for record in history.records] == ["live", "failed"]
    assert history.records[1].error == "taken back by its watch: web answered 5 of 9"
    entry = AuditEntry(150.0, "ann@laptop", "watch r2", "r1", "done")
    assert history.audit[-1] == entry
    files = {**FILES, "shop/r2.watch.json": BACK.encode(), "shop/audit.jsonl": pack(history.audit)}
    assert parse_history("shop", newest(files)).audit == history.audit


def test_a_watch_under_way_changes_nothing() -> None:
    """The release counts as live, and so it does where the file is damaged."""
    for data in (WATCH.to_json(), b"{", b"[]", b'{"outcome": "unknown"}'):
        history = parse_history("shop", newest({**FILES, "shop/r2.watch.json": data}))
        assert [record.outcome for record in history.records] == ["live", "live"]


def test_a_watch_is_stored_as_it_begins() -> None:
    """What is written is read again; other releases have none."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        await write_watch(engine, "shop", WATCH)
        assert await read_watch(engine, "shop", "r2") == WATCH
        assert await read_watch(engine, "shop", "r3") is None

    asyncio.run(work())
