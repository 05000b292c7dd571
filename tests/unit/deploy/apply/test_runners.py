"""Runners of steps: one for each, which gets the session of its server."""

from __future__ import annotations

from ftl.deploy.backend import DOCKER
from ftl.events import StepFinished
from ftl.operations.databases.deploy_backup import with_backups
from tests.unit.deploy.apply.test_executor import Do, Run, run, stage
from tests.unit.deploy.step_classes import step_classes


def test_a_step_runs_on_the_server_that_it_names() -> None:
    """Its runner gets the session of that server; everything else is shared."""

    async def scenario(world: Run) -> None:
        await world.executor(stage([Do("here"), Do("there", servers=("second",))])).run()

    world = run(scenario)
    assert world.log == ["here", "there on second"]
    assert len([event for event in world.events if isinstance(event, StepFinished)]) == 2


def test_every_step_of_a_plan_has_a_runner() -> None:
    """The backend can execute whatever the planner plans."""
    assert step_classes() == set(with_backups(DOCKER).runners)
