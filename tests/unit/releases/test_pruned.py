"""Commands that only read, where the container of the release records was pruned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.observe.observer import DOCKER_OBSERVER
from ftl.deploy.observe.snapshot import observe
from ftl.deploy.plan.records.recorded import live_record
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.processes.jobs import read_all_jobs
from ftl.operations.views.audit import audit
from ftl.operations.views.releases import releases
from ftl.operations.views.status import status
from ftl.releases.file_copies import CONTAINER
from ftl.releases.pruned import is_pruned, note_pruned
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, write_record
from ftl.server.doctor.facts import EngineState
from ftl.server.doctor.gather import _project
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import project
from tests.unit.operations.changes.test_lock_first import fleet_of
from tests.unit.operations.stage import add

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl.engine.api import Engine
    from ftl.events import Emit, Event


async def deployed(engine: FakeEngine) -> Session:
    """A server with a live release, whose store was pruned."""
    await ensure_store(engine, "caddy:2")
    await write_record(engine, "shop", ReleaseRecord("r1", "live", 1.0))
    await add(engine, "shop-web-r1", "web")
    await engine.remove(CONTAINER, force=True)
    return Session("shop.example.com", FakeMachine(), engine, INFO)


async def _status(session: Session, emit: Emit) -> None:
    found = await status(project(), Fleet([session]))
    assert (found.deployed, found.live) == (True, None)
    await note_pruned(session.engine, session.name, emit)


async def _jobs_list(session: Session, emit: Emit) -> None:
    assert await read_all_jobs(session, "shop", emit) == ()


async def _releases(session: Session, emit: Emit) -> None:
    observer = replace(DOCKER_OBSERVER, connect=fleet_of(session))
    assert (await releases("shop", [session.machine], emit=emit, observer=observer))[0] == ()


async def _audit(session: Session, emit: Emit) -> None:
    assert await audit("shop", [session.machine], emit, connect=fleet_of(session)) == ()


@pytest.mark.parametrize("read", [_status, _jobs_list, _releases, _audit])
def test_they_change_nothing_and_say_what_is_missing(
    read: Callable[[Session, Emit], Awaitable[None]],
) -> None:
    """Also that jobs may be gone, and how both come back."""
    events: list[Event] = []

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        session = await deployed(engine)
        before = list(engine.calls)
        await read(session, events.append)
        assert engine.calls == before

    run(work())
    (note,) = [event for event in events if isinstance(event, Note)]
    assert note.text.startswith("the release records on shop.example.com cannot be read")
    assert "`ftl deploy` creates it again" in (note.hint or "")


def test_doctor_finds_them_missing() -> None:
    """It creates no container to look at what it cannot see."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await deployed(engine)
        before = list(engine.calls)
        state = EngineState(INFO, tuple(await engine.containers()))
        assert await _project(FakeMachine(), cast("Engine", engine), state, "shop") == ((), True, None)
        assert engine.calls == before
        await ensure_store(engine, "caddy:2")
        assert await _project(FakeMachine(), cast("Engine", engine), state, "shop") == ((), False, None)

    run(work())


def test_a_dry_run_of_a_rollback_does_not_say_that_nothing_is_deployed() -> None:
    """It creates no container to read the records with."""

    async def work() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await deployed(engine)
        observed = await observe(cast("Engine", engine), INFO, "shop", "server")
        with pytest.raises(FtlError, match="records of shop on server cannot be read") as caught:
            live_record(observed)
        assert not isinstance(caught.value, UsageError)

    run(work())


def test_a_server_that_never_had_a_store_misses_none() -> None:
    """Nothing is said before the first deploy."""

    async def work() -> None:
        assert not await is_pruned(FakeEngine())

    run(work())
