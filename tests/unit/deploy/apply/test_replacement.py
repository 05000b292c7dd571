"""Replacement of a dependency by its new container, where the server has no docker command."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from ftl.deploy.apply.replacement import replace_container
from ftl.engine.specs import ContainerSpec
from ftl.errors import EngineError
from ftl.proxy.docker_script import NO_DOCKER
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context


@pytest.mark.parametrize("starts", [True, False])
def test_one_of_the_two_runs_under_the_name_at_the_end(starts: bool) -> None:
    """The new one; where it does not start, the old one again, with its restart policy."""
    engine = FakeEngine(images=["db:1"])

    async def work() -> None:
        context = deploy_context(engine)

        assert isinstance(context.machine, FakeMachine)
        context.machine.answer("ftl-replace", answer=CommandOutput(exit_code=NO_DOCKER))
        old = await engine.create("shop-db", ContainerSpec(image="db:1", labels={}))
        await engine.start(old)
        new = await engine.create("shop-db-new-r2", ContainerSpec(image="db:1", labels={}, restart="no"))
        if not starts:
            engine.fail("start", number=2)
        with nullcontext() if starts else pytest.raises(EngineError):
            await replace_container(
                context, old, new, name="shop-db", parked="shop-db-old", fresh="shop-db-new-r2"
            )

    run(work())
    states = {name: (one.state, one.spec.restart) for name, one in engine.by_name.items()}
    assert states.pop("shop-db") == ("running", "always")
    assert [restart for _, restart in states.values()] == ["no"]
    assert "running" not in {state for state, _ in states.values()}
