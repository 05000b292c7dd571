"""The store of release records, on a fake engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.common import redact
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.releases.file_copies import CONTAINER
from ftl.releases.record import ReleaseRecord, ServiceRecord
from ftl.releases.store import (
    _REMOVE,
    SUMMARIES,
    VOLUME,
    compact,
    copy_records,
    ensure_store,
    read_records,
    write_record,
)
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from ftl.engine.specs import ContainerSpec

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


def test_a_volume_of_others_is_not_the_store() -> None:
    """It has the name and no label of FTL: nothing is written to it."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await engine.create_volume(VOLUME, {})
        with pytest.raises(FtlError, match=f"volume name {VOLUME} is taken"):
            await ensure_store(engine, "caddy:2")
        assert CONTAINER not in engine.by_name

    asyncio.run(work())


class RemovingEngine(FakeEngine):
    """An engine whose containers sync the summary, and run `rm`."""

    async def start(self, container: str) -> None:
        """Run the command, which ends at once."""
        await super().start(container)
        target = self._get(container)
        if target.spec.entrypoint == ("sh", "-c", _REMOVE):
            for path in (target.spec.command or ())[2:]:
                files, name = self._place(target, path)
                files.pop(name, None)
        target.end(0)


def whole(number: int) -> ReleaseRecord:
    """A record with everything in it."""
    entry = ServiceRecord(f"r{number}", "app:1", "", "", "")
    return ReleaseRecord(
        f"r{number}", "live", float(number), by="me", services={"web": entry}, project={"secret": "x" * 500}
    )


def test_records_of_old_releases_are_summed_up_in_one_file() -> None:
    """Their own files go; who, when and how it ended stays, for the newest of them. Nothing is left running."""

    async def work() -> None:
        engine = RemovingEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        records = [whole(number) for number in range(1, 3001)]
        await copy_records(engine, "shop", records)
        await compact(engine, "shop", records[:2950])
        files = await engine.get_archive(CONTAINER, "/ftl/shop") or {}
        assert len(files) == 51
        assert sum(map(len, files.values())) < 200_000
        read = await read_records(engine, "shop")
        assert read[-50:] == tuple(records[2950:])
        assert [record.release for record in read[:-50]] == [
            f"r{number}" for number in range(2951 - SUMMARIES, 2951)
        ]
        assert (read[0].by, read[0].outcome, read[0].services, read[0].project) == ("me", "live", {}, {})
        assert set(engine.by_name) == {CONTAINER}

    asyncio.run(work())


def test_the_container_that_removes_records_is_no_hook() -> None:
    """A plan would call it a hook that still runs."""

    async def work() -> None:
        engine = RemovingEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        await copy_records(engine, "shop", [whole(1), whole(2)])
        made: list[str] = []
        create = engine.create

        async def noted(name: str, spec: ContainerSpec) -> str:
            made.append(spec.labels[labels.ROLE])
            return await create(name, spec)

        engine.create = noted  # type: ignore[method-assign]
        await compact(engine, "shop", [whole(1)])
        assert made == [labels.ROLE_TRANSFER]
        assert set(await engine.get_archive(CONTAINER, "/ftl/shop") or {}) == {
            "shop/history.jsonl",
            "shop/r2.json",
        }

    asyncio.run(work())


def test_a_record_with_a_file_counts_more_than_its_summary() -> None:
    """Where the files could not be removed, nothing is counted twice."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        engine.fail("start")
        await ensure_store(engine, "caddy:2")
        await copy_records(engine, "shop", [whole(1), whole(2)])
        await compact(engine, "shop", [whole(1)])
        assert await read_records(engine, "shop") == (whole(1), whole(2))
        assert set(engine.by_name) == {CONTAINER}

    asyncio.run(work())


def test_commits_of_records_are_shown_and_their_secrets_are_not() -> None:
    """A secret of `git rev-parse --short HEAD` is the commit: it was masked in each row of `ftl releases`."""
    commits = ["8c4cf1f0a6bb5c1bd0ad1b1a0f6bd2d4a4d6e9aa", "15d3a7b0a6bb5c1bd0ad1b1a0f6bd2d4a4d6e9bb"]

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        for number, commit in enumerate(commits, 1):
            secrets = (commit[:7], "hunter22")
            record = ReleaseRecord(f"r{number}", "live", float(number), commit=commit, secrets=secrets)
            await write_record(engine, "shop", record)
        await read_records(engine, "shop")

    try:
        asyncio.run(work())
        text = " ".join((*commits, commits[0][:7]))
        assert redact.redacted(f"{text} hunter22") == f"{text} {redact.MASK}"
    finally:
        redact.forget()
