"""Replacement of containers where the server has no docker command."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from ftl.deploy.apply.replacement import replace_containers
from ftl.deploy.apply.replacement_script import Incoming, Outgoing, Replacement
from ftl.deploy.plan.steps.records import Decide
from ftl.engine.specs import ContainerSpec
from ftl.errors import EngineError
from ftl.proxy.docker_script import NO_DOCKER
from tests.support.clock import run
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
