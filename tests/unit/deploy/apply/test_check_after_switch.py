"""New containers are checked once more when they have settled, with visitors already there."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.apply.steps.settling import NewContainer, find_exit, find_failure
from ftl.engine import labels
from ftl.health.spec import HealthSpec
from ftl.health.wait import Healthy
from ftl.host.session import Session
from tests.support.clock import run
from tests.support.fake_images import INFO
from tests.unit.health.stage import OK, stage

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECK = HealthSpec(ports=(8000,), path="/up", timeout=2, early=True)
BROKEN = b"HTTP/1.1 500 Oops\r\nContent-Length: 11\r\n\r\nno database"


def failure(answers: Sequence[bytes]) -> str:
    """The cause of the error for a container that answers so, the last answer for ever; empty without one."""

    async def work() -> str:
        made = await stage()
        made.container.spec = replace(made.container.spec, labels={labels.SERVICE: "web"})
        coming = chain(answers, repeat(answers[-1]))
        (container,) = await made.engine.containers(labels={})
        new = NewContainer(Session("server", made.machine, made.engine, INFO), container)
        async with made.listening(lambda: next(coming)):
            assert await find_failure({}, [new]) is None, "one that was not checked before"
            found = await find_failure({container.id: Healthy(0, 0.0, CHECK)}, [new])
            return "" if found is None else (await found.error()).cause or ""

    return run(work())


@pytest.mark.parametrize("answers", [[OK], [BROKEN, OK], [BROKEN, BROKEN, OK]])
def test_one_that_passes_in_three_attempts_stays(answers: Sequence[bytes]) -> None:
    """A server is busy just after a deploy."""
    assert failure(answers) == ""


def test_one_that_does_not_pass_is_told_with_its_answer() -> None:
    """Three times in a row."""
    cause = failure([BROKEN, BROKEN, BROKEN, OK])
    assert "500 Oops" in cause
    assert "no database" in cause


@pytest.mark.parametrize(("restarts", "exited"), [(1, False), (2, True)])
def test_restarts_count_from_the_moment_when_a_container_was_healthy(restarts: int, exited: bool) -> None:
    """One that needed a second start is as good as another, until it ends again."""

    async def work() -> bool:
        made = await stage()
        made.container.restarts = restarts
        (container,) = await made.engine.containers(labels={})
        new = NewContainer(Session("server", made.machine, made.engine, INFO), container)
        return await find_exit({container.id: Healthy(1, 0.0, CHECK)}, [new]) is not None

    assert run(work()) == exited
