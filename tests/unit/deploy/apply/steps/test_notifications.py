"""The step that tells the server where it sends messages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.apply.steps.notifications import set_notifications
from ftl.deploy.plan.steps.notifications import SetNotifications
from ftl.events import Note
from ftl.host.session import Session
from ftl.releases.store import ensure_store, read_history
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context
from tests.unit.deploy.world import INFO

if TYPE_CHECKING:
    from ftl.events import Event

LINES = b"server shop.example.com\nurl job_failure https://hooks.example.com/T0/s3cr3t\n"


async def told(engine: FakeEngine, machine: FakeMachine, lines: bytes) -> list[Event]:
    """Tell a server; the events."""
    events: list[Event] = []
    context = deploy_context(engine)
    session = Session("server", machine, engine, INFO)
    context = replace(context, session=session, emit=events.append)
    await set_notifications(context, SetNotifications("shop", lines, servers=("",)))
    return events


def test_the_webhooks_are_written_for_the_owner_of_the_records_alone() -> None:
    """And no command line has them."""

    async def work() -> None:
        engine, machine = FakeEngine(images=["shop-web:r1"]), FakeMachine()
        await ensure_store(engine, "shop-web:r1")
        assert await told(engine, machine, LINES) == []
        assert (await read_history(engine, "shop")).notify == LINES
        assert "s3cr3t" not in f"{machine.commands} {machine.inputs}"

    asyncio.run(work())


def test_a_server_that_cannot_send_is_a_note() -> None:
    """The release is live; and nobody misses what is taken away."""

    async def work() -> None:
        engine, machine = FakeEngine(images=["shop-web:r1"]), FakeMachine()
        await ensure_store(engine, "shop-web:r1")
        machine.answer("notify", answer=CommandOutput(3, b"there is neither curl nor wget\n"))
        (note,) = await told(engine, machine, LINES)
        assert isinstance(note, Note)
        assert note.level == "warning"
        assert note.text.endswith("cannot send notifications (there is neither curl nor wget)")
        assert await told(engine, machine, b"") == []

    asyncio.run(work())
