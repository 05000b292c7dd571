"""Errors of commands that use several servers at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.errors import EngineError
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

    from ftl.ssh.machine import Machine


async def failing(machines: Sequence[Far]) -> str | None:
    """Raise an error beside the open sessions: the server that it names."""
    with pytest.raises(EngineError) as caught:
        async with open_fleet([cast("Machine", machine) for machine in machines]):
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
