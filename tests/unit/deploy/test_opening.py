"""An operation is opened: servers are observed while images are built."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.aio import loop_time
from ftl.config.models.project import Server
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.opening import Built, open_operation
from ftl.deploy.operation import OperationRequest
from ftl.deploy.plan.model import Plan
from ftl.deploy.repaired import UNKNOWN_SECONDS, WORD_SECONDS
from ftl.errors import ServerError, UsageError
from ftl.events import Note, ignore
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AsyncExitStack
    from pathlib import Path

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.events import Event


@pytest.fixture
def request_here(tmp_path: Path) -> OperationRequest:
    """An operation on a server that has nothing of the project."""

    @asynccontextmanager
    async def connect(_machines: object, _emit: object) -> AsyncIterator[Fleet]:
        yield Fleet([Session("server", FakeMachine(), FakeEngine(), INFO)])

    backend = replace(DOCKER, connect=connect)
    return OperationRequest("shop", Server(host="server"), tmp_path, backend, GivenCommand("deploy"))


def test_a_refusal_ends_the_build_that_is_under_way(request_here: OperationRequest) -> None:
    """Who may not deploy now does not wait for a build, whose machines are let go."""
    done: list[str] = []

    async def build(_fleet: Fleet, stack: AsyncExitStack) -> Built:
        stack.callback(done.append, "closed")
        try:
            await asyncio.sleep(3600)
        finally:
            done.append("ended")
        return Built()

    def refuse(observed: Observed) -> None:
        raise UsageError(f"not on {observed.server}")

    async def work() -> None:
        async with open_operation(request_here, [], ignore, refuse=refuse, build=build):
            raise AssertionError("it is refused")

    with pytest.raises(UsageError, match="not on server"):
        run(work())
    assert done == ["ended", "closed"]


def test_what_a_build_opens_is_open_until_the_end(request_here: OperationRequest) -> None:
    """The machines that built images send them later."""
    done: list[str] = []

    async def build(_fleet: Fleet, stack: AsyncExitStack) -> Built:
        stack.callback(done.append, "closed")
        return Built({}, {"builder": Session("builder", FakeMachine(), FakeEngine(), INFO)})

    async def work() -> None:
        async with open_operation(request_here, [], ignore, build=build) as prepared:
            assert list(prepared.built.builders) == ["builder"]
            assert prepared.observed.project == "shop"
            assert done == []

    run(work())
    assert done == ["closed"]


@pytest.mark.parametrize(
    ("noticed", "state", "least"),
    [(5, "ready", 5), (0, "ready", WORD_SECONDS), (45, "unknown", 45), (0, "unknown", UNKNOWN_SECONDS)],
)
def test_a_server_that_only_we_do_not_reach_stops_a_change(
    tmp_path: Path, noticed: float, state: str, least: float
) -> None:
    """It waits, and says so, until the Swarm calls it down, if it was just lost. A plan says it, and does not wait."""
    looks: list[float] = []
    events: list[Event] = []

    @asynccontextmanager
    async def connect(_machines: object, _emit: object) -> AsyncIterator[Fleet]:
        session = Session("server", FakeMachine(), FakeEngine(), INFO)
        yield Fleet([session], {"b": ServerError("no route to b")})

    async def observe(fleet: Fleet, project: str, servers: Sequence[ClusterServer]) -> Observed:
        looks.append(loop_time())
        seen = await DOCKER.observe(fleet, project, servers)
        if len(looks) == 3:
            raise ServerError("there is no leader")
        lost = noticed and looks[-1] - looks[0] > noticed
        return replace(seen, down=("b",), unreachable={} if lost else {"b": state})

    backend = replace(DOCKER, connect=connect, observe=observe)
    request = OperationRequest("shop", Server(host="server"), tmp_path, backend, GivenCommand("deploy"))

    async def work(request: OperationRequest) -> Mapping[str, str]:
        looks.clear()
        async with open_operation(request, [], events.append) as prepared:
            return prepared.observed.unreachable

    async def plan() -> Sequence[str]:
        async with open_operation(replace(request, dry_run=True), [], events.append) as prepared:
            nothing = Plan("server", "shop", "r1", (), ())
            done = await prepared.run(request.bare_project, lambda _observed: nothing, emit=ignore)
            return done.plan.notes

    assert [note.partition("; ")[2] for note in run(plan()) if note.startswith("b cannot be reached")] == [
        "a change is refused, unless the cluster calls it down within a minute"
    ]
    assert (len(looks), events) == (1, [])
    limit = WORD_SECONDS if state == "ready" else UNKNOWN_SECONDS
    waiting = [
        Note(f"b cannot be reached from here: waiting up to {limit:g} s for the cluster to call it down")
    ]
    if noticed:
        assert run(work(request)) == {}
        assert least < looks[-1] - looks[0] < least + 5
        assert events == waiting
        return
    with pytest.raises(ServerError, match="b cannot be reached from here") as caught:
        run(work(request))
    assert caught.value.cause == "no route to b"
    assert least <= looks[-1] - looks[0] < least + 5
    assert events == waiting
