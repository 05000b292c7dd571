"""Runners: the functions that execute steps, registered where they are defined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ftl.dataclass import dataclass
from ftl.execution.step import BaseStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.errors import FtlError

C = TypeVar("C")
S = TypeVar("S", bound=BaseStep)


@dataclass(frozen=True, slots=True)
class Decision:
    """Result of a step of the deciding stage.

    Attributes:
        committed: The plan is decided: nothing is undone any more.
        error: Failure of the step although it committed; raised when the plan has come to its end.
    """

    committed: bool
    error: FtlError | None = None


StepRunner = Callable[[C, S], Awaitable[Decision | None]]
"""Executes a step in a context. Steps of the deciding stage return a decision, others None.

Raises FtlError: The step failed.
"""

Runner = StepRunner[C, Any]


class Runners(Generic[C]):
    """A table of runners by step class; all get the same kind of context."""

    def __init__(self, *tables: Runners[C]) -> None:
        self._by_step: dict[type[BaseStep], Runner[C]] = {}
        for table in tables:
            self._by_step |= {step: table.of_class(step) for step in table}

    def runs(self, step: type[S]) -> Callable[[StepRunner[C, S]], StepRunner[C, S]]:
        """Decorator: register a function as the runner of `step`."""

        def register(runner: StepRunner[C, S]) -> StepRunner[C, S]:
            self._by_step[step] = runner
            return runner

        return register

    def __iter__(self) -> Iterator[type[BaseStep]]:
        return iter(self._by_step)

    def of(self, step: BaseStep) -> Runner[C]:
        """The runner of a step.

        Raises:
            KeyError: There is none; a test sees to it that no step of a plan lacks one.
        """
        return self.of_class(type(step))

    def of_class(self, step: type[BaseStep]) -> Runner[C]:
        """The runner of a step class."""
        return self._by_step[step]
