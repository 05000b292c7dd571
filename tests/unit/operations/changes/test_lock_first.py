"""Lock that a command holds since before it looked at the server: one look is enough."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Project, ProjectInfo, Server, Service
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.opening import PreparedOperation, open_operation
from ftl.deploy.operation import OperationRequest
from ftl.errors import FtlError, LockTaken, ServerError, UsageError
from ftl.events import ignore
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.rollback.rollback import RollbackRequest, rollback
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeProcess
from tests.unit.deploy.kills.model import Deploys
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.model_server import ModelEngine
from tests.unit.deploy.world import INFO
from tests.unit.operations.changes.test_second_backend import ASKED, ME, Changing, _rollback

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence

    from ftl.deploy.backend import Backend
    from ftl.host.fleet import FleetConnector


def deployed() -> Deploys:
    """A server with release r1 of the project `u`."""
    machine = Deploys()
    machine.begin()
    web = Service(name="web", image="app:1")
    machine.files["u"] = Project(project=ProjectInfo(name="u"), server=Server(host="server"), services=(web,))
    machine.built["u"] = "1"
    machine._run("u")
    return machine


def fleet_of(session: Session) -> FleetConnector:
    """Connects to this server, whichever is asked for."""

    @asynccontextmanager
    async def connect(_machines: object, _emit: object) -> AsyncIterator[Fleet]:
        yield Fleet([session])

    return connect


def backend_of(session: Session) -> Backend:
    """Docker's backend, that connects to this server."""
    return replace(DOCKER, connect=fleet_of(session))


async def _roll_back(changing: Changing, heartbeat: asyncio.Task[None] | None) -> None:
    session = Session("server", ModelMachine(ModelEngine()), FakeEngine(), INFO)
    change = PreparedOperation(changing.request, Fleet([session]), changing.observed, ME, 0.0, heartbeat)
    await change.run(ASKED, lambda seen: _rollback(changing.request, ME, seen), emit=lambda _: None)


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


class Busy(ModelMachine):
    """A server on which another deploy is under way."""

    async def start(self, argv: Sequence[str]) -> Process:
        """Refuse the lock."""
        process = FakeProcess(CommandOutput(stdout=b"held anna since 12:00\n"))
        self.processes.append(process)
        return process


@pytest.mark.parametrize(
    ("release", "error", "words"),
    [
        ("r9", UsageError, "there is no release `r9`"),
        ("r2", UsageError, "r2 never was live: its deploy failed"),
        ("r1", LockTaken, "has been locked by anna since 12:00"),
        ("r3", LockTaken, "has been locked by anna since 12:00"),
        (None, LockTaken, "has been locked by anna since 12:00"),
    ],
)
@pytest.mark.parametrize("wait", [0.0, 3.0])
def test_a_wrong_release_is_refused_whoever_has_the_lock(
    release: str | None, error: type[FtlError], words: str, wait: float
) -> None:
    """And not only once the other operation has ended; what that one makes (r3) may still be live by then."""
    deploys = deployed()
    session = Session("server", Busy(deploys.engine), deploys.engine, INFO)

    async def work() -> None:
        for record in (
            ReleaseRecord("r2", "failed", 2.0, error="web is unhealthy"),
            ReleaseRecord("r3", "started", 3.0),
        ):
            await write_record(deploys.engine, "u", record)
        change = OperationRequest(
            "u", Server(host="server"), Path(), backend_of(session), GivenCommand("rollback", lock_wait=wait)
        )
        request = RollbackRequest(change, release)
        with pytest.raises(error, match=words):
            await rollback(request, [session.machine], emit=lambda _: None)

    run(work())


@pytest.mark.parametrize(("dry_run", "releases"), [(False, ["r1"]), (True, [])])
def test_records_are_read_where_their_container_was_pruned(dry_run: bool, releases: list[str]) -> None:
    """`docker system prune` removes what never runs; a rollback knows its releases. A dry run changes nothing."""
    machine = deployed()
    session = Session("server", ModelMachine(machine.engine), machine.engine, INFO)

    async def work() -> list[str]:
        await machine.engine.remove("ftl-state", force=True)
        request = OperationRequest(
            "u", Server(host="server"), Path(), backend_of(session), GivenCommand("rollback"), dry_run=dry_run
        )
        async with open_operation(request, [session.machine], ignore) as change:
            return [record.release for record in change.observed.releases]

    assert run(work()) == releases
