"""Executor of a deploy's plan: it keeps the last lines of a failed release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.apply.kept_logs import last_lines
from ftl.errors import FtlError
from ftl.execution.executor import Executor

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.plan.model import Plan
    from ftl.execution.runners import Runners
    from ftl.releases.record import KeptLine


class DeployExecutor(Executor["DeployContext"]):
    """One run of a plan that changes a project.

    Attributes:
        last_lines: After a failure, the last lines of the containers that were removed.
    """

    def __init__(self, plan: Plan, runners: Runners[DeployContext], context: DeployContext) -> None:
        super().__init__(plan.stages, runners, context)
        self.last_lines: tuple[KeptLine, ...] = ()
        self._makes_release = plan.record is not None

    @property
    def switched_back(self) -> bool:
        """Whether requests went to the release that failed, and go to the one before again."""
        return self._context.switch.switched_back

    def _begin_part(self) -> None:
        super()._begin_part()
        self._context.created.clear()  # those of the parts before are live

    async def _undo(self, error: BaseException) -> None:
        if isinstance(error, FtlError) and self._makes_release:
            self.last_lines = await last_lines(self._context)
        await super()._undo(error)
