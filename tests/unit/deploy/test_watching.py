"""Waiting for the end of a watch, on a fake engine."""

from __future__ import annotations

import asyncio

import pytest

from ftl.deploy.plan.steps.watch import WatchRelease
from ftl.deploy.watching import follow
from ftl.engine.tarball import tar_archive
from ftl.errors import ServerError, Unhealthy
from ftl.events import Event, Note
from ftl.host.session import Session
from ftl.releases.file_copies import CONTAINER, ROOT
from ftl.releases.store import ensure_store, write_watch
from ftl.releases.watch import ReleaseWatch, WatchOutcome
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine

STEP = WatchRelease("shop", "r2", "r1", "me@here", 60.0, (), stop=10.0, drain=30.0)
WATCH = ReleaseWatch("r2", "r1", "me@here", 60.0)


def followed(end: str, events: list[Event]) -> WatchOutcome:
    """Follow a watch for which the server writes `end` after 20 seconds; nothing where it is empty."""

    async def work() -> WatchOutcome:
        engine = FakeEngine(images=["caddy:2"])
        session = Session("server", FakeMachine(), engine, INFO)
        await ensure_store(engine, "caddy:2")
        await write_watch(engine, "shop", WATCH)

        async def script() -> None:
            await asyncio.sleep(20)
            if end:
                data = f'{WATCH.head()}, "outcome": "{end}", "time": 20, "reason": "web failed"}}'.encode()
                await engine.put_archive(CONTAINER, ROOT, tar_archive({"shop/r2.watch.json": data}))

        task = asyncio.create_task(script())
        try:
            return await follow(session, STEP, events.append, hooks=True)
        finally:
            await task

    return run(work())


@pytest.mark.parametrize(("end", "warnings"), [("passed", 0), ("ended", 1)])
def test_the_outcome_is_what_the_server_wrote(end: str, warnings: int) -> None:
    """A watch that another operation ended is no failure, but a warning."""
    events: list[Event] = []
    assert followed(end, events) == end
    notes = [event for event in events if isinstance(event, Note)]
    assert "watching r2 for 1 min" in notes[0].text
    assert sum(note.level == "warning" for note in notes) == warnings


def test_a_release_that_was_taken_back_is_a_failure() -> None:
    """With the server's words for it, and what of the release stays."""
    with pytest.raises(Unhealthy, match="r1 is live again; what its pre hooks changed stays") as raised:
        followed("switched_back", [])
    assert raised.value.cause == "web failed"


def test_a_server_that_was_restarted_does_not_keep_us_waiting() -> None:
    """After the watch, and time for the old containers to end, it counts as interrupted."""
    with pytest.raises(ServerError, match="interrupted: r2 stays live"):
        followed("", [])
