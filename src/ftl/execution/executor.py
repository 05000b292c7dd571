"""Executor: runs a plan's stages in turn, and undoes them on failure or Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ftl.aio import gather, gather_all, shielded
from ftl.errors import FtlError, HookFailed, at
from ftl.execution.reporting import reported

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from ftl.events import Emit
    from ftl.execution.runners import Runners
    from ftl.execution.stages import StageOf
    from ftl.execution.step import BaseStep
    from ftl.execution.undo import UndoStack


class RunContext(Protocol):
    """Values that the steps of one run share, at one of its servers."""

    @property
    def emit(self) -> Emit:
        """Receives the events of the steps."""

    @property
    def undo(self) -> UndoStack:
        """Actions that undo the steps done so far, until the plan is decided."""

    @property
    def server(self) -> str:
        """The server that the current step runs on."""

    def each(self, servers: Sequence[str]) -> tuple[Self, ...]:
        """Return this run at each server of a step."""


C = TypeVar("C", bound=RunContext)


class Executor(Generic[C]):
    """One run of a plan.

    Attributes:
        committed: The plan is decided, or a part of it; that is never undone. Set by the decisions of the deciding
            stages alone.
        incomplete: Something after that was not done, and is left for the next run.
    """

    def __init__(self, stages: Sequence[StageOf[Any]], runners: Runners[C], context: C) -> None:
        self.committed = False
        self.incomplete = False
        self._stages = stages
        self._runners = runners
        self._context = context
        self._late_error: FtlError | None = None
        self._part_committed = False  # the part of the plan that runs: nothing of it is undone any more

    async def run(self) -> None:
        """Execute all steps; a failure before the decision undoes everything.

        After it the plan goes on to its end, and the first error is raised then. Of a plan in several parts
        (`StageOf.begins_part`), a failure undoes the part that is not decided, and none of the next ones is begun.

        Raises:
            FtlError: Of the first step that failed.
        """
        try:
            for stage in self._stages:
                if stage.begins_part:
                    self._begin_part()
                try:
                    running = self._run_stage(stage)
                    await (shielded(running) if stage.decides else running)
                except FtlError as error:
                    if not self._part_committed:
                        raise
                    self._remember(error)
        except BaseException as error:
            if not self._part_committed:
                await shielded(self._undo(error))
            self.incomplete = self.committed
            raise
        self._context.undo.close()  # also of a plan in which nothing decides
        if self._late_error is not None:
            raise self._late_error

    def _begin_part(self) -> None:
        """Begin another part of the plan, unless something of the last one is not done."""
        if self._late_error is not None:
            raise self._late_error
        self._part_committed = False
        self._context.undo.reopen()

    async def _undo(self, _error: BaseException) -> None:
        """Undo everything, with a subclass's own part first. One coroutine, shielded as a whole."""
        await self._context.undo.run(self._context.emit)

    def _remember(self, error: FtlError) -> None:
        """Keep an error after the decision for the end of the plan."""
        self._late_error = self._late_error or error
        self.incomplete |= not isinstance(error, HookFailed)  # hooks do not run again

    async def _run_stage(self, stage: StageOf[Any]) -> None:
        """Run a stage's tracks concurrently; the first error cancels the others."""
        await gather(self._run_track(track) for track in stage.tracks)

    async def _run_track(self, track: Sequence[BaseStep]) -> None:
        for step in track:
            await self._run_step(step)

    async def _run_step(self, step: BaseStep) -> None:
        contexts = (self._context,) if step.runs_once else self._context.each(step.servers)
        async with reported(self._context.emit, step):
            if len(contexts) == 1:
                await self._run_at(contexts[0], step)
            else:  # to the end on each: what is recorded or repaired on one server is so on all that answer
                await gather_all(self._run_at(context, step) for context in contexts)

    async def _run_at(self, context: C, step: BaseStep) -> None:
        """Run a step on one server; each decides for itself, so the first that commits does it for all."""
        with at(server=context.server):
            decision = await self._runners.of(step)(context, step)
            if decision is not None:
                self._commit(decision.committed)
                if decision.error is not None:
                    raise decision.error

    def _commit(self, committed: bool) -> None:
        if committed and not self._part_committed:
            self.committed = self._part_committed = True
            self._context.undo.close()
