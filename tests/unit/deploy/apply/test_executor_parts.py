"""Executor: a plan in several parts, at several servers, and a runner for each step."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ftl.deploy.backend import DOCKER
from ftl.errors import EngineError
from ftl.events import StepFinished
from ftl.execution.undo import UndoStack
from ftl.operations.databases.deploy_backup import with_backups
from tests.unit.deploy.apply.test_executor import Do, Run, run, stage
from tests.unit.deploy.step_classes import step_classes


def test_a_part_that_fails_is_undone_alone() -> None:
    """Of a plan in several parts the ones before stay, and none of the next is begun."""

    async def scenario(world: Run) -> None:
        second = replace(stage(Do("two"), [Do("three"), Do("four", "fail")]), begins_part=True)
        executor = world.executor(
            stage(Do("one", "decide"), decides=True), second, replace(stage(Do("five")), begins_part=True)
        )
        with pytest.raises(EngineError, match="four failed"):
            await executor.run()
        assert (executor.committed, executor.incomplete) == (True, True)
        assert "undo one" not in world.log
        assert "five" not in world.log
        assert {"undo two", "undo three", "undo four"} <= set(world.log)

    run(scenario)


def test_a_plan_in_which_nothing_decides_is_settled_at_its_end() -> None:
    """What waits for that, such as a script on the server, would take back what was done."""

    async def scenario(world: Run) -> None:
        world.context.undo.at_end(lambda completed: world.log.append(f"completed: {completed}"))
        await world.executor(stage(Do("one"))).run()

    assert run(scenario).log == ["one", "completed: True"]


@pytest.mark.parametrize("limit", [0.01, 5.0])
def test_what_waits_for_the_end_hears_whether_undoing_was_given_up(limit: float) -> None:
    """The server may have to finish it."""

    async def scenario(world: Run) -> None:
        stack = UndoStack("start again", seconds=limit)
        stack.add(Do("slow"), lambda: asyncio.sleep(0.2))
        stack.at_end(lambda completed: world.log.append(f"completed: {completed}"))
        await stack.run(world.events.append)

    assert run(scenario).log == [f"completed: {limit > 1}"]


def test_no_part_begins_when_the_last_one_was_not_finished() -> None:
    """An error after a decision, such as a container that cannot be removed, ends the plan at the next part."""

    async def scenario(world: Run) -> None:
        executor = world.executor(
            stage(Do("one", "decide"), decides=True),
            stage(Do("cleanup", "fail")),
            stage(Do("rest")),
            replace(stage(Do("next")), begins_part=True),
        )
        with pytest.raises(EngineError, match="cleanup failed"):
            await executor.run()
        assert world.log == ["one", "cleanup", "rest"]
        assert executor.incomplete

    run(scenario)


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
