"""Executor: a plan in several parts, such as a restart of one replica after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.errors import EngineError
from tests.unit.deploy.apply.test_executor import Do, Run, run, stage


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
