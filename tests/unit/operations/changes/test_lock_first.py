"""Lock that a command holds since before it looked at the server: one look is enough."""

from __future__ import annotations

import asyncio

import pytest

from ftl.errors import ServerError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.change import PreparedChange
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.model_server import ModelEngine, ModelMachine
from tests.unit.deploy.world import INFO
from tests.unit.operations.changes.test_second_backend import ASKED, ME, Changing, _rollback


async def _roll_back(changing: Changing, heartbeat: asyncio.Task[None] | None) -> None:
    session = Session("server", ModelMachine(ModelEngine()), FakeEngine(), INFO)
    change = PreparedChange(changing.request, Fleet([session]), changing.observed, ME, 0.0, heartbeat)
    await change.run(
        "rollback r1", ASKED, lambda seen: _rollback(changing.request, ME, seen), emit=lambda _: None
    )


@pytest.mark.parametrize(("held", "looks"), [(False, 1), (True, 0)])
def test_a_server_is_observed_again_only_where_the_lock_was_taken_after_the_first_look(
    held: bool, looks: int
) -> None:
    """Another operation may have ended in between; while the lock is held, none can have begun."""

    async def work() -> Changing:
        changing = Changing()
        heartbeat = asyncio.create_task(asyncio.sleep(60)) if held else None
        await _roll_back(changing, heartbeat)
        if heartbeat is not None:
            assert not heartbeat.done(), "whoever took the lock gives it back"
            heartbeat.cancel()
        return changing

    changing = run(work())
    assert changing.orchestrator.looks == looks
    assert changing.orchestrator.submitted == ["RestoredRelease: web x1 of content-r1"]


def test_nothing_is_changed_once_the_lock_is_lost() -> None:
    """Also where it was lost before the plan began."""

    async def lost() -> None:
        raise ServerError("the deploy lock was lost")

    async def work() -> Changing:
        changing = Changing()
        heartbeat = asyncio.create_task(lost())
        await asyncio.wait([heartbeat])
        with pytest.raises(ServerError, match="lock was lost"):
            await _roll_back(changing, heartbeat)
        return changing

    assert run(work()).orchestrator.submitted == []
