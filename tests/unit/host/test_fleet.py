"""Errors of commands that use several servers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from ftl.errors import EngineError
from ftl.host.fleet import open_fleet
from tests.support.clock import run
from tests.support.engine_socket import served
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
