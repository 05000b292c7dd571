"""Errors of commands that use several servers at once."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.aio import loop_time
from ftl.errors import EngineError
from ftl.events import Note, ignore
from ftl.host import fleet as fleets
from ftl.host.fleet import Fleet, open_fleet
from ftl.host.session import Session
from tests.support.clock import run
from tests.support.engine_socket import served
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO as SEEN
from tests.unit.host.test_session import BRIEF, INFO, Far

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.events import Event
    from ftl.ssh.machine import Machine


async def failing(machines: Sequence[Far]) -> str | None:
    """Raise an error beside the open sessions: the server that it names."""
    with pytest.raises(EngineError) as caught:
        async with open_fleet([cast("Machine", machine) for machine in machines], ignore):
            raise EngineError("no room")
    return caught.value.place.server


@pytest.mark.parametrize(("names", "server"), [(["one"], "one"), (["one", "two", "three"], None)])
def test_an_error_names_the_only_server_and_none_of_several(names: list[str], server: str | None) -> None:
    """With several servers an error says itself where it belongs; the one that was connected to last is no guess."""

    async def work() -> None:
        async with served() as (engine, url):
            engine.answer_by_path({BRIEF: INFO})
            machines = [Far(url, url, name=name) for name in names]
            for machine in machines:
                machine.reports.set()
            assert await failing(machines) == server

    run(work())


@pytest.mark.parametrize(
    ("ranks", "first"),
    [
        ([(True, True, 1), (True, True, 1)], "a"),
        ([(False, False, 0), (True, True, 1)], "b"),
        ([(True, False, 0), (True, True, 1), (True, True, 1)], "b"),
        ([(True, True, 1), (True, False, 0), (True, True, 2)], "c"),
        ([(False, False, 0), (True, False, 0)], "b"),
        ([(False, False, 0), (False, False, 0)], "a"),
        ([(False, False, 0)], "a"),
    ],
)
def test_the_first_server_is_a_manager_with_a_leader(ranks: list[tuple[bool, bool, int]], first: str) -> None:
    """One that is cut off from the others answers, and can change nothing; of two clusters the newer one counts."""
    sessions = [
        Session(
            name,
            FakeMachine(name),
            FakeEngine(name=name),
            replace(SEEN, is_manager=is_manager, has_leader=leads, times_begun=times_begun),
        )
        for name, (is_manager, leads, times_begun) in zip("abc", ranks, strict=False)
    ]
    assert Fleet(sessions).first.name == first


MANAGER = {
    "ServerVersion": "27.0",
    "Swarm": {"LocalNodeState": "active", "NodeID": "n1", "ControlAvailable": True, "Cluster": {"ID": "c1"}},
}


def _answer(value: object) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _node(host: str, state: str) -> dict[str, object]:
    return {"ID": host, "Spec": {"Labels": {"ftl.host.shop": host}}, "Status": {"State": state}}


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """Shorter waits, without a terminal: a session loads modules in threads, which need real time."""
    found = 0.6, 0.3
    monkeypatch.setattr(fleets, "GRACE", found[0])
    monkeypatch.setattr(fleets, "PATIENCE", found[1])
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return found


@pytest.mark.parametrize(
    ("state", "reads", "waits", "cause"),
    [
        ("down", True, 1, "is down"),
        ("down", False, 1, "is down"),
        ("ready", True, 2, "does not answer"),
        ("ready", False, 0, ""),
    ],
)
def test_nobody_waits_for_a_server_that_is_down(
    seconds: tuple[float, float], state: str, reads: bool, waits: int, cause: str
) -> None:
    """The Swarm is asked after a while. What is not down stops a command that reads after a while, and no other.

    The others say for which server they wait, once.
    """
    events: list[Event] = []

    async def work() -> None:
        async with served() as (engine, url):
            nodes = [_node("one", "ready"), _node("two", "ready"), _node("three", state)]
            engine.answer_by_path({BRIEF: _answer(MANAGER), "/nodes": _answer(nodes)})
            machines = [Far(url, url, name="one"), Far(url, url, name="two"), Far(None, url, name="three")]
            for machine in machines[:2]:
                machine.reports.set()
            began = loop_time()
            opening = open_fleet(
                [cast("Machine", machine) for machine in machines], events.append, reads=reads
            )
            if not waits:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(sum(seconds) + 1), opening:
                        pass
                waiting = "waiting for three: no answer yet, and the cluster does not call it down"
                assert events == [Note(waiting)]
                return
            async with opening as fleet:
                least = sum(seconds[:waits])
                assert least <= loop_time() - began < least + 5
                assert (fleet.names, list(fleet.missing)) == (("one", "two"), ["three"])
                assert cause in fleet.missing["three"].message
                assert events == []

    asyncio.run(work())


def test_servers_that_answer_cost_no_question_to_the_swarm(seconds: tuple[float, float]) -> None:
    """One that takes longer than the others is waited for."""

    async def work() -> None:
        async with served() as (engine, url):
            engine.answer_by_path({BRIEF: _answer(MANAGER)})
            machines = [Far(url, url, name=name) for name in ("one", "two")]
            machines[0].reports.set()
            asyncio.get_running_loop().call_later(seconds[0] / 4, machines[1].reports.set)
            opening = open_fleet([cast("Machine", machine) for machine in machines], ignore, reads=True)
            async with opening as fleet:
                assert fleet.names == ("one", "two")
            assert engine.requests == [BRIEF, BRIEF]

    asyncio.run(work())
