"""Replacement of containers where the server has no docker command."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from ftl.deploy.apply.context import ResolvedImage
from ftl.deploy.apply.replacement import replace_containers
from ftl.deploy.apply.replacement_script import Incoming, Outgoing, Replacement
from ftl.deploy.apply.steps.containers import start_containers
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import StartContainers, StopOld
from ftl.deploy.plan.steps.records import Decide
from ftl.engine.specs import ContainerSpec
from ftl.errors import EngineError
from ftl.proxy.docker_script import NO_DOCKER
from tests.support.clock import run
from tests.support.fake_container import Behavior
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context


@pytest.mark.parametrize("end", ["decided", "undone", "does not start"])
def test_one_of_the_two_runs_under_the_name_at_the_end(end: str) -> None:
    """The new one; where it does not start, or is undone, the old one again, with its restart policy."""
    engine = FakeEngine(images=["db:1"])
    starts = end != "does not start"

    async def work() -> None:
        context = deploy_context(engine)
        assert isinstance(context.machine, FakeMachine)
        context.machine.answer("ftl-replace", answer=CommandOutput(exit_code=NO_DOCKER))
        old = await engine.create("shop-db", ContainerSpec(image="db:1", labels={}))
        await engine.start(old)
        new = await engine.create("shop-db-new-r2", ContainerSpec(image="db:1", labels={}, restart="no"))
        if not starts:
            engine.fail("start", number=2)
        replacement = Replacement(
            "shop-db",
            (Outgoing(old, 1, name="shop-db", parked="shop-db-old"),),
            (Incoming(new, 1, name="shop-db", fresh="shop-db-new-r2"),),
        )
        with nullcontext() if starts else pytest.raises(EngineError):
            await replace_containers(context, Decide("shop"), replacement)
        assert engine.by_name["shop-db"].id == (new if starts else old)
        if end == "undone":
            await context.undo.run(context.emit)
            assert engine.by_name["shop-db"].id == old

    run(work())
    states = {name: (one.state, one.spec.restart) for name, one in engine.by_name.items()}
    assert states.pop("shop-db") == ("running", "always")
    assert [restart for _, restart in states.values()] == ["no"]
    assert "running" not in {state for state, _ in states.values()}


@pytest.mark.parametrize(("old_stop", "seconds"), [(85.0, 10.0), (3.0, 3.0)])
def test_a_new_container_that_is_taken_back_has_few_seconds_to_stop(old_stop: float, seconds: float) -> None:
    """However long the old one may take: no request went to it, and undoing has a limit."""
    engine = FakeEngine(images=["web:1"])
    engine.behaviors["web:1"] = Behavior(ignores_stop=True)

    async def work() -> float:
        context = deploy_context(engine)
        assert isinstance(context.machine, FakeMachine)
        context.machine.answer("ftl-replace", answer=CommandOutput(exit_code=NO_DOCKER))
        context.images["web"] = ResolvedImage("web:1", "")
        old = await engine.create("old", ContainerSpec(image="web:1", labels={}))
        stop = StopOld("web", (ContainerRef(old, "old"),), old_stop, "one at a time")
        spec = ContainerSpec(image="web:1", labels={})
        await start_containers(
            context, StartContainers("web", ("new",), (spec,), "web:1", "new release", stops=(stop,))
        )
        began = asyncio.get_running_loop().time()
        await context.undo.run(context.emit)
        return asyncio.get_running_loop().time() - began

    assert run(work()) == seconds
