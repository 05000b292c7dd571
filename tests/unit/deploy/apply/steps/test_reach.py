"""The way from each proxy to a new release, before it is switched to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.reach import RUNNERS
from ftl.deploy.plan.steps.proxy import ReachFromProxies
from ftl.engine.calls.services import SwarmTask
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import ExecResult
from ftl.errors import EngineError, Unhealthy
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import project, server

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP = ReachFromProxies("web", "r5-web", 8000, 12, servers=("b",))


class Manager(FakeEngine):
    """A manager that knows where the tasks are, unless it does not answer."""

    def __init__(self, *, answers: bool) -> None:
        super().__init__(name="a")
        self._answers = answers

    async def tasks(self, service: str | None = None) -> list[SwarmTask]:
        """Those that shall run."""
        assert service is None
        if not self._answers:
            raise EngineError("it does not")
        return [SwarmTask("t", "s", 1, "n-c", "running", "running", "", "c", {"n": "10.0.0.6"})]


def missed(output: bytes, *, answers: bool = True) -> Unhealthy | None:
    """The error of a proxy on b whose script prints this and fails, or nothing."""
    engines = {
        "a": Manager(answers=answers),
        "b": FakeEngine(name="b", images=["caddy"]),
        "c": FakeEngine(name="c"),
    }
    asked: list[Sequence[str]] = []

    def answer(container: str, argv: Sequence[str]) -> ExecResult:
        assert container == "ftl-proxy"
        asked.append(argv[-4:])
        return ExecResult(1 if output else 0, output, b"")

    engines["b"].on_execute = answer
    run(engines["b"].create("ftl-proxy", ContainerSpec(image="caddy", labels={})))
    run(engines["b"].start("ftl-proxy"))
    sessions = [
        Session(name, FakeMachine(name), engine, replace(INFO, node=f"n-{name}", is_manager=name == "a"))
        for name, engine in engines.items()
    ]
    shop = project()
    context = DeployContext(
        shop,
        Path(),
        Fleet(sessions),
        sessions[1],
        server(shop),
        "r5",
        lambda _: None,
        RunClients(shop, Path()),
    )

    async def work() -> None:
        await RUNNERS.of(STEP)(context, STEP)

    error = None
    try:
        run(work())
    except Unhealthy as caught:
        error = caught
    # An answer of DNS has no room for all of twelve addresses.
    assert asked == [["r5-web", "8000", "8", "20"]]
    return error


@pytest.mark.parametrize(
    ("output", "answers", "cause"),
    [
        (b"2\n", True, "its name has 2 of 8 addresses there"),
        (b"8\n10.0.0.6\n10.0.0.7\n", True, "10.0.0.6 on c, 10.0.0.7 does not answer on port 8000"),
        (b"8\n10.0.0.6\n", False, "10.0.0.6 does not answer on port 8000"),
    ],
)
def test_a_proxy_that_does_not_reach_a_service_fails_the_deploy(
    output: bytes, answers: bool, cause: str
) -> None:
    """With its server, what it did not reach, and where that is."""
    error = missed(output, answers=answers)
    assert error is not None
    assert (error.message, error.cause) == ("the proxy on b does not reach web", cause)
    assert "4789/udp" in (error.hint or "")


def test_a_proxy_that_reaches_all_says_nothing() -> None:
    """The deploy goes on."""
    assert missed(b"") is None
