"""Executor: stages, tracks, undo, and the moment after which nothing is undone."""

from __future__ import annotations

import asyncio
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from ftl.dataclass import dataclass
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.executor import DeployExecutor
from ftl.deploy.plan.model import Plan, Stage
from ftl.deploy.plan.steps.base import Step
from ftl.errors import EngineError, FtlError, HookFailed
from ftl.events import Event, Note, StepFailed, StepInterrupted, StepUndone
from ftl.execution.runners import Decision, Runners
from ftl.execution.undo import UndoStack
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, record, server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl.engine.values import Container
    from ftl.releases.record import ReleaseRecord


@dataclass(frozen=True, slots=True)
class Do(Step):
    """A step of the tests: `what` happens to it."""

    kind: ClassVar[str] = "do"
    name: str
    what: str = "succeed"

    @property
    def text(self) -> str:
        return self.name


@dataclass()
class Run:
    """A plan's run on a server that is not there: what was done and undone, in order."""

    log: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.runners: Runners[DeployContext] = Runners()
        self.runners.runs(Do)(self.do)
        sessions = [Session(name, None, None, INFO) for name in ("server", "second")]  # type: ignore[arg-type]
        asked = project()
        self.context = DeployContext(
            asked,
            Path(),
            Fleet(sessions),
            sessions[0],
            server(asked),
            "r2",
            self.events.append,
            RunClients(asked, Path()),
        )

    async def do(self, context: DeployContext, step: Do) -> Decision | None:
        """The runner of every step."""
        where = "" if context.session.name == "server" else f" on {context.session.name}"
        self.log.append(f"{step.name}{where}")
        context.undo.add(step, lambda: self.undo(step))
        if step.what == "wait":
            await self.gate.wait()
            self.log.append(f"{step.name} ended")
        if step.what == "fail":
            raise EngineError(f"{step.name} failed")
        if step.what == "fail hook":
            raise HookFailed(f"{step.name} failed")
        if step.what == "decide":
            return Decision(committed=True)
        if step.what == "decide and fail":
            return Decision(committed=True, error=EngineError(f"{step.name} got no answer"))
        if step.what == "not decide and fail":
            return Decision(committed=False, error=EngineError(f"{step.name} was refused"))
        return None

    async def undo(self, step: Do) -> None:
        """Undo a step; one called "stuck" cannot be undone."""
        if step.name == "stuck":
            raise EngineError("the engine is gone")
        self.log.append(f"undo {step.name}")

    def executor(self, *stages: Stage, record: ReleaseRecord | None = None) -> DeployExecutor:
        """The executor of a plan of these stages."""
        return DeployExecutor(
            Plan("server", "shop", "r2", (), stages, record=record), self.runners, self.context
        )


def stage(*tracks: Sequence[Do] | Do, decides: bool = False) -> Stage:
    """A stage of tracks; a single step is a track of its own."""
    return Stage("stage", tuple((one,) if isinstance(one, Do) else tuple(one) for one in tracks), decides)


async def turns() -> None:
    """Let the other tasks run until all of them wait: nothing here waits for a clock."""
    for _ in range(50):
        await asyncio.sleep(0)


def run(scenario: Callable[[Run], object]) -> Run:
    """Run a scenario in an event loop."""

    async def main() -> Run:
        world = Run()
        await scenario(world)  # type: ignore[misc]
        return world

    return asyncio.run(main())


def test_stages_follow_each_other_and_tracks_do_not_wait() -> None:
    """A stage begins when all tracks of the one before it have ended; tracks of one stage interleave."""

    async def scenario(world: Run) -> None:
        executor = world.executor(
            stage(Do("slow", "wait"), [Do("quick"), Do("opener", "open")]), stage(Do("next"))
        )
        running = asyncio.create_task(executor.run())
        await turns()
        assert world.log == ["slow", "quick", "opener"]
        world.gate.set()
        await running
        assert world.log == ["slow", "quick", "opener", "slow ended", "next"]
        assert not executor.committed

    run(scenario)


def test_a_failure_before_the_decision_undoes_everything_last_first() -> None:
    """Steps that succeeded and the one that failed are undone in reverse order; the error comes through."""

    async def scenario(world: Run) -> None:
        executor = world.executor(
            stage([Do("one"), Do("two")]), stage(Do("three", "fail")), stage(Do("four"))
        )
        with pytest.raises(EngineError, match="three failed"):
            await executor.run()
        assert not executor.committed
        assert not executor.incomplete

    world = run(scenario)
    assert world.log == ["one", "two", "three", "undo three", "undo two", "undo one"]
    assert [event.step for event in world.events if isinstance(event, StepFailed)] == ["do"]
    assert len([event for event in world.events if isinstance(event, StepUndone)]) == 3


def test_the_first_error_of_a_stage_cancels_its_other_tracks() -> None:
    """A track that waits is cancelled, and does not hold up the way back."""

    async def scenario(world: Run) -> None:
        with pytest.raises(EngineError, match="bad failed"):
            await world.executor(stage(Do("waiting", "wait"), Do("bad", "fail"))).run()

    world = run(scenario)
    assert world.log == ["waiting", "bad", "undo bad", "undo waiting"]
    ended = [event for event in world.events if isinstance(event, StepFailed)]
    assert [(type(event), event.text) for event in ended] == [
        (StepFailed, "bad"),
        (StepInterrupted, "waiting"),
    ]


def test_what_cannot_be_undone_is_said_and_does_not_stop_the_rest() -> None:
    """A warning names the step and the reason; the steps before it are undone all the same."""

    async def scenario(world: Run) -> None:
        with pytest.raises(EngineError):
            await world.executor(stage([Do("first"), Do("stuck"), Do("bad", "fail")])).run()

    world = run(scenario)
    assert world.log == ["first", "stuck", "bad", "undo bad", "undo first"]
    notes = [event for event in world.events if isinstance(event, Note)]
    assert [(note.level, note.text) for note in notes] == [
        ("warning", "could not undo `stuck`: the engine is gone")
    ]


def test_undoing_is_bounded() -> None:
    """An undo that never ends is given up, and what was not undone is named."""

    async def scenario(world: Run) -> None:
        async def never() -> None:
            await asyncio.Event().wait()

        stack = UndoStack("start again", seconds=0.01)
        stack.add(Do("earlier"), lambda: world.undo(Do("earlier")))
        stack.add(Do("endless"), never)
        await stack.run(world.events.append)

    world = run(scenario)
    assert world.log == []
    [note] = [event for event in world.events if isinstance(event, Note)]
    assert "given up" in note.text
    assert note.hint == "not undone: endless, earlier; start again"


def test_an_interruption_before_the_decision_undoes_everything() -> None:
    """Ctrl-C is a cancellation: the same way back as a failure."""

    async def scenario(world: Run) -> None:
        running = asyncio.create_task(world.executor(stage([Do("one"), Do("long", "wait")])).run())
        await turns()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert run(scenario).log == ["one", "long", "undo long", "undo one"]


def test_a_second_interruption_does_not_stop_the_undo() -> None:
    """Undoing runs to its end even when it is cancelled meanwhile."""

    async def scenario(world: Run) -> None:
        began, opened = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            began.set()
            await opened.wait()
            world.log.append("undone slowly")

        world.context.undo.add(Do("slow"), slow)
        running = asyncio.create_task(world.executor(stage(Do("bad", "fail"))).run())
        await began.wait()
        running.cancel()
        await turns()
        opened.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert run(scenario).log == ["bad", "undo bad", "undone slowly"]


def test_an_interruption_while_the_last_lines_are_read_does_not_skip_the_undo() -> None:
    """A failed release is taken back, also if Ctrl-C or the loss of the lock comes before the undo."""

    async def scenario(world: Run) -> None:
        began, opened = asyncio.Event(), asyncio.Event()

        class Slow(FakeEngine):
            """An engine that lists its containers when it is let."""

            async def containers(self, **_: object) -> list[Container]:
                began.set()
                await opened.wait()
                return []

        world.context.fleet = Fleet([Session("server", FakeMachine(), Slow(), INFO)])
        executor = world.executor(stage(Do("bad", "fail")), record=record("r2"))
        running = asyncio.create_task(executor.run())
        await began.wait()
        running.cancel()
        await turns()
        opened.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert run(scenario).log == ["bad", "undo bad"]


def test_the_deciding_stage_runs_to_its_end_when_interrupted() -> None:
    """A switch that has begun is finished; what comes after it is left for the next deploy."""

    async def scenario(world: Run) -> None:
        deciding = stage([Do("switch", "wait"), Do("record", "decide")], decides=True)
        executor = world.executor(deciding, stage(Do("clean up")))
        running = asyncio.create_task(executor.run())
        await turns()
        running.cancel()
        await turns()
        world.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert executor.committed
        assert executor.incomplete

    assert run(scenario).log == ["switch", "switch ended", "record"]


def test_after_the_decision_nothing_is_undone_and_the_plan_goes_on() -> None:
    """A late failure does not stop the later stages; it is raised at the end, the first of several."""

    async def scenario(world: Run) -> None:
        executor = world.executor(
            stage(Do("start")),
            stage(Do("switch", "decide"), decides=True),
            stage(Do("routes", "fail")),
            stage(Do("clean up", "fail")),
            stage(Do("last")),
        )
        with pytest.raises(EngineError, match="routes failed"):
            await executor.run()
        assert executor.committed
        assert executor.incomplete

    assert run(scenario).log == ["start", "switch", "routes", "clean up", "last"]


def test_a_failed_post_hook_leaves_nothing_for_the_next_deploy() -> None:
    """Hooks do not run again, so a release whose post hook failed is complete."""

    async def scenario(world: Run) -> None:
        executor = world.executor(
            stage(Do("switch", "decide"), decides=True), stage(Do("hook", "fail hook")), stage(Do("last"))
        )
        with pytest.raises(HookFailed):
            await executor.run()
        assert executor.committed
        assert not executor.incomplete

    assert run(scenario).log == ["switch", "hook", "last"]


@pytest.mark.parametrize(
    ("what", "committed", "log"),
    [
        ("decide and fail", True, ["start", "switch", "after"]),
        ("not decide and fail", False, ["start", "switch", "undo switch", "undo start"]),
    ],
)
def test_a_switch_without_an_answer_counts_as_what_it_was(what: str, committed: bool, log: list[str]) -> None:
    """Its decision says whether traffic moved: then the plan goes on, else everything is undone."""

    async def scenario(world: Run) -> None:
        executor = world.executor(
            stage(Do("start")), stage(Do("switch", what), decides=True), stage(Do("after"))
        )
        with pytest.raises(FtlError):
            await executor.run()
        assert executor.committed is committed

    assert run(scenario).log == log
