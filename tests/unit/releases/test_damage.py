"""Damaged release records, as by a power cut: none is taken for what it is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.deploying import refuse_if_held
from ftl.deploy.observe.snapshot import with_outcomes
from ftl.deploy.plan.steps.records import WriteRecord
from ftl.deploy.request import PlanRequest
from ftl.engine.tarball import tar_archive
from ftl.errors import UsageError
from ftl.releases.audit import AuditEntry
from ftl.releases.file_copies import CONTAINER, ROOT
from ftl.releases.hold import DAMAGED_HOLD, Hold
from ftl.releases.preview import Preview
from ftl.releases.record import ReleaseRecord, ServiceRecord
from ftl.releases.store import (
    ensure_store,
    read_history,
    read_preview,
    write_audit,
    write_hold,
    write_notify,
    write_preview,
    write_record,
)
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import container, plan, project, record, server

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.releases.store import History

CUTS = pytest.mark.parametrize("damaged", [b"", b'{"rea'], ids=["empty", "cut"])
HOLD = Hold("r14 loses sessions", "ana@laptop", 5.0)
NOTIFY = b"server s\nurl deploy https://x\n"


class Store:
    """The release records of a project on a server."""

    def __init__(self) -> None:
        self.fake = FakeEngine(images=["caddy:2"])
        self.engine = cast("Engine", self.fake)

    async def damage(self, name: str, content: bytes) -> None:
        """Leave this of a file."""
        await self.fake.put_archive(CONTAINER, ROOT, tar_archive({f"shop/{name}": content}))

    async def wait(self) -> None:
        """Until all is on the disk; the next command has a connection of its own."""
        self.fake.clock_ahead((await self.fake.info()).clock_ahead + 100)
        await read_history(self.engine, "shop")

    async def history(self) -> History:
        """What a command reads."""
        return await read_history(self.engine, "shop")


async def store() -> Store:
    """One with a release and its audit."""
    made = Store()
    await ensure_store(made.engine, "caddy:2")
    await write_record(made.engine, "shop", whole("r11"))
    await write_audit(made.engine, "shop", [AuditEntry(11.0, "ana@a", "deploy", "r11", "done")])
    await made.wait()
    return made


def whole(release: str, outcome: str = "live") -> ReleaseRecord:
    """A record with everything in it."""
    services = {"web": ServiceRecord(release, "app:1", "", "", "")}
    return replace(record(release, outcome), services=services, project={"name": "shop"}, started=10.0)


@CUTS
def test_a_hold_that_is_damaged_counts_as_one(damaged: bytes) -> None:
    """Also where the end of one was being written: CI must not deploy what somebody has stopped."""

    async def work() -> None:
        found = await store()
        await write_hold(found.engine, "shop", HOLD)
        assert (await found.history()).hold == HOLD
        await found.damage("hold.json", damaged)
        history = await found.history()
        assert (history.hold, history.damaged) == (DAMAGED_HOLD, ("hold.json",))
        await write_hold(found.engine, "shop", None)
        history = await found.history()
        assert (history.hold, history.damaged) == (None, ())

    asyncio.run(work())
    asked = project()
    with pytest.raises(UsageError, match=r"count as put on hold: .* damaged, as by a power cut") as refused:
        refuse_if_held(PlanRequest(asked), replace(server(asked), hold=DAMAGED_HOLD))
    assert "--end-hold" in (refused.value.hint or "")


@CUTS
def test_a_record_that_is_damaged_is_the_one_before(damaged: bytes) -> None:
    """Its older copy, where it has one."""

    async def work() -> None:
        found = await store()
        await write_record(found.engine, "shop", replace(whole("r11"), bad="slow"))
        await found.damage("r11.json", damaged)
        history = await found.history()
        assert history.records == (whole("r11"),)
        assert history.damaged == ("r11.json",)

    asyncio.run(work())


@CUTS
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("done", "live"), ("failed", "failed"), ("interrupted", "interrupted"), ("started", "started")],
)
def test_a_record_that_is_lost_is_known_by_the_audit(damaged: bytes, outcome: str, expected: str) -> None:
    """How it ended, when and by whom; its number is not given again."""

    async def work() -> None:
        found = await store()
        entries = [
            AuditEntry(11.0, "ana@a", "deploy", "r11", "done"),
            AuditEntry(12.0, "bob@b", "deploy web", "r12", outcome),  # type: ignore[arg-type]
        ]
        await write_audit(found.engine, "shop", entries)
        await found.damage("r12.json", damaged)
        history = await found.history()
        first, lost = history.records
        assert first == whole("r11")
        assert (lost.release, lost.outcome, lost.started, lost.by) == ("r12", expected, 12.0, "bob@b")

    asyncio.run(work())


def test_a_live_release_whose_record_is_lost_is_made_again_from_its_containers() -> None:
    """What a rollback and the removal of images go by; the next deploy stores it, and says why."""
    asked = project()
    there = server(
        asked,
        *container(asked, "web", "r12"),
        releases=(record("r11", web="r11"), ReleaseRecord("r12", "started", 0.0)),
        live={"web": "r12"},
    )
    found = with_outcomes(replace(there, damaged=("r12.json",)))
    made = found.releases[-1]
    (running,) = there.services
    assert made.outcome == "live"
    assert (made.services["web"].release, made.services["web"].image_id) == ("r12", running.image_id)
    assert found.live_record == made
    again = plan(asked, found)
    (repaired,) = [step for step in again.steps if isinstance(step, WriteRecord)]
    assert repaired.record == made
    (note,) = [note for note in again.notes if "damaged" in note]
    assert "r12.json is damaged, as by a power cut" in note


def test_a_lost_record_of_a_release_that_is_not_live_is_written_again() -> None:
    """Otherwise the note would come with each deploy."""
    asked = project()
    there = server(
        asked,
        *container(asked, "web", "r11"),
        releases=(record("r11", web="r11"), ReleaseRecord("r12", "started", 0.0)),
        live={"web": "r11"},
    )
    found = with_outcomes(replace(there, damaged=("r12.json",)))
    (repaired,) = [step for step in plan(asked, found).steps if isinstance(step, WriteRecord)]
    assert (repaired.record.release, repaired.record.outcome) == ("r12", "interrupted")


@CUTS
def test_a_preview_that_is_damaged_is_still_one(damaged: bytes) -> None:
    """It can be deployed again and taken down; what it said before counts until then."""
    preview = Preview(1_900_000_000, 1.0, "pr-7", "shop", by="me@here")

    async def work() -> None:
        found = await store()
        await write_preview(found.engine, "shop", preview)
        await found.wait()
        await write_preview(found.engine, "shop", replace(preview, until=2_000_000_000))
        await found.damage("preview.json", damaged)
        history = await found.history()
        assert (history.preview, history.damaged) == (preview, ("preview.json",))
        assert await read_preview(found.engine, "shop") == preview
        assert preview.may_be(("shop", "pr-7"))
        assert not preview.may_be(("shop", "pr-8"))
        await found.damage("preview.json.old", damaged)
        lost = await read_preview(found.engine, "shop")
        assert lost is not None
        assert lost.may_be(("shop", "pr-7"))
        await write_preview(found.engine, "shop", None)
        assert (await found.history()).preview is None

    asyncio.run(work())


@CUTS
def test_audit_and_notifications_that_are_damaged_are_those_before(damaged: bytes) -> None:
    """A file of lines that ends early is not taken for a shorter one."""

    async def work() -> None:
        found = await store()
        await write_notify(found.engine, "shop", NOTIFY)
        await found.wait()
        entries = [AuditEntry(number, "me", "deploy", "r11", "done") for number in range(3)]
        await write_audit(found.engine, "shop", entries)
        await write_notify(found.engine, "shop", NOTIFY + b"host h\n")
        for name in ("audit.jsonl", "notify"):
            assert name not in (await found.history()).damaged
            await found.damage(name, damaged and NOTIFY)
        history = await found.history()
        assert [entry.time for entry in history.audit] == [11.0]
        assert history.notify == NOTIFY
        assert set(history.damaged) == {"audit.jsonl", "notify"}

    asyncio.run(work())
