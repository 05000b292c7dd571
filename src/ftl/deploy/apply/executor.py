"""Executor: runs a plan's stages in turn, and undoes them on failure or Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather, gather_all, shielded
from ftl.deploy.apply.kept_logs import last_lines
from ftl.errors import FtlError, HookFailed, at
from ftl.execution.reporting import reported

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.apply.runners import Runners
    from ftl.deploy.plan.model import Plan, Stage, Track
    from ftl.deploy.plan.steps.base import Step
    from ftl.releases.record import KeptLine


class Executor:
    """One run of a plan.

    Attributes:
        committed: The release is decided, or a part of the plan; that is never undone. Set by the decisions of the
            deciding stages alone.
        last_lines: After a failure, the last lines of the containers that were removed.
        incomplete: Something after that was not done, and is left for the next deploy.
    """

    def __init__(self, plan: Plan, runners: Runners, context: DeployContext) -> None:
        self.committed = False
        self.incomplete = False
        self.last_lines: tuple[KeptLine, ...] = ()
        self._plan = plan
        self._runners = runners
        self._context = context
        self._late_error: FtlError | None = None
        self._part_committed = False  # the part of the plan that runs: nothing of it is undone any more

    @property
    def switched_back(self) -> bool:
        """Whether requests went to the release that failed, and go to the one before again."""
        return self._context.switch.taken_back

    async def run(self) -> None:
        """Execute all steps; a failure before the decision undoes everything.

        After it the plan goes on to its end, and the first error is raised then. Of a plan in several parts
        (`Stage.begins_part`), a failure undoes the part that is not decided, and none of the next ones is begun.

        Raises:
            FtlError: Of the first step that failed.
        """
        try:
            for stage in self._plan.stages:
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
        if self._late_error is not None:
            raise self._late_error

    def _begin_part(self) -> None:
        """Begin another part of the plan, unless something of the last one is not done."""
        if self._late_error is not None:
            raise self._late_error
        self._part_committed = False
        self._context.created.clear()  # those of the parts before are live
        self._context.undo.reopen()

    async def _undo(self, error: BaseException) -> None:
        """Keep the last lines of what failed, and take everything back.

        One coroutine, shielded as a whole: a cancellation between the two (Ctrl-C, a lost lock) would skip the undo.
        """
        if isinstance(error, FtlError) and self._plan.record is not None:
            self.last_lines = await last_lines(self._context)
        await self._context.undo.run(self._context.emit)

    def _remember(self, error: FtlError) -> None:
        self._late_error = self._late_error or error
        self.incomplete |= not isinstance(error, HookFailed)  # hooks do not run again

    async def _run_stage(self, stage: Stage) -> None:
        """Run a stage's tracks concurrently; the first error cancels the others."""
        await gather(self._run_track(track) for track in stage.tracks)

    async def _run_track(self, track: Track) -> None:
        for step in track:
            await self._run_step(step)

    async def _run_step(self, step: Step) -> None:
        contexts = (self._context,) if step.runs_once else self._context.each(step.servers)
        async with reported(self._context.emit, step):
            if len(contexts) == 1:
                await self._run_at(contexts[0], step)
            else:  # to the end on each: what is recorded or repaired on one server is so on all that answer
                await gather_all(self._run_at(context, step) for context in contexts)

    async def _run_at(self, context: DeployContext, step: Step) -> None:
        """Run a step on one server; each decides for itself, so the first that commits does it for all."""
        with at(server=context.session.name):
            decision = await self._runners.of(step)(context, step)
            if decision is not None:
                self._commit(decision.committed)
                if decision.error is not None:
                    raise decision.error

    def _commit(self, committed: bool) -> None:
        if committed and not self._part_committed:
            self.committed = self._part_committed = True
            self._context.undo.close()
