"""The store of release records, on a fake engine."""

from __future__ import annotations

import asyncio

from ftl.engine import labels
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import CONTAINER, VOLUME, ensure_store, read_records, write_record
from tests.support.fake_engine import FakeEngine

FIRST = ReleaseRecord("r1", "live", 1.0)
SECOND = ReleaseRecord("r2", "started", 2.0)


def test_records_are_read_oldest_first() -> None:
    """Each project's own, whatever the order in which they were written."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        await write_record(engine, "shop", SECOND)
        await write_record(engine, "shop", FIRST)
        await write_record(engine, "blog", ReleaseRecord("r9", "live", 9.0))
        assert await read_records(engine, "shop") == (FIRST, SECOND)

    asyncio.run(work())


def test_a_record_replaces_an_earlier_one_of_its_release() -> None:
    """A release is recorded when it starts, and again when it ends."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        await write_record(engine, "shop", FIRST)
        failed = ReleaseRecord("r1", "failed", 1.0, error="no database")
        await write_record(engine, "shop", failed)
        assert await read_records(engine, "shop") == (failed,)

    asyncio.run(work())


def test_before_the_first_deploy_there_are_no_records() -> None:
    """Neither without the store nor in an empty one; reading is one call."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        assert await read_records(engine, "shop") == ()
        await ensure_store(engine, "caddy:2")
        assert await read_records(engine, "shop") == ()
        assert [call.split()[0] for call in engine.reads].count("get_archive") == 2

    asyncio.run(work())


def test_the_store_is_created_once_and_never_runs() -> None:
    """Its container only mounts the volume for the engine's archive calls."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        await ensure_store(engine, "caddy:2")
        assert engine.calls == [f"create_volume {VOLUME}", f"create {CONTAINER}"]
        made = engine.by_name[CONTAINER]
        assert (made.state, made.spec.restart) == ("created", "no")
        assert made.spec.labels == {labels.ROLE: labels.ROLE_STATE}

    asyncio.run(work())
