"""Lock that a command holds since before it looked at the server: one look is enough."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Project, ProjectInfo, Server, Service
from ftl.deploy.backend import DOCKER
from ftl.errors import ServerError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.change import ChangeRequest, PreparedChange, open_change
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.model import Deploys
from tests.unit.deploy.model_server import ModelEngine, ModelMachine
from tests.unit.deploy.world import INFO
from tests.unit.operations.changes.test_second_backend import ASKED, ME, Changing, _rollback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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


@pytest.mark.parametrize(("dry_run", "releases"), [(False, ["r1"]), (True, [])])
def test_records_are_read_where_their_container_was_pruned(
    monkeypatch: pytest.MonkeyPatch, dry_run: bool, releases: list[str]
) -> None:
    """`docker system prune` removes what never runs; a rollback knows its releases. A dry run changes nothing."""
    machine = Deploys()
    machine.begin()
    web = Service(name="web", image="app:1")
    machine.files["u"] = Project(project=ProjectInfo(name="u"), server=Server(host="server"), services=(web,))
    machine.built["u"] = "1"
    machine._run("u")
    session = Session("server", ModelMachine(machine.engine), machine.engine, INFO)

    @asynccontextmanager
    async def open_fleet(_machines: object) -> AsyncIterator[Fleet]:
        yield Fleet([session])

    monkeypatch.setattr("ftl.operations.changes.change.open_fleet", open_fleet)

    async def work() -> list[str]:
        await machine.engine.remove("ftl-state", force=True)
        request = ChangeRequest("u", Server(host="server"), Path(), DOCKER, dry_run=dry_run)
        async with open_change(request, [session.machine]) as change:
            return [record.release for record in change.observed.releases]

    assert run(work()) == releases
