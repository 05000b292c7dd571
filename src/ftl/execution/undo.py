"""Undo stack: how the steps that were begun are undone when a plan fails, or is interrupted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.events import Note, StepUndone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl.events import Emit
    from ftl.execution.step import BaseStep

UNDO_SECONDS = 90.0
"""Limit for undoing everything."""


class UndoStack:
    """Actions to run, last first, when a plan fails before it is decided.

    `advice` says what to do about something that could not be undone; `seconds` limit all of it.

    Attributes:
        open: Whether the plan is still undecided; once closed, nothing is remembered or undone.
    """

    def __init__(self, advice: str, *, seconds: float = UNDO_SECONDS) -> None:
        self.open = True
        self._advice = advice
        self._actions: list[tuple[BaseStep, Callable[[], Awaitable[object]]]] = []
        self._endings: list[Callable[[bool], None]] = []
        self._seconds = seconds

    def add(self, step: BaseStep, action: Callable[[], Awaitable[object]]) -> None:
        """Add the action that undoes a step, before the step runs."""
        if self.open:
            self._actions.append((step, action))

    def at_end(self, action: Callable[[bool], None]) -> None:
        """Call this at the end; with False where undoing was given up, not decided or undone."""
        self._endings.append(action)

    def close(self) -> None:
        """Drop everything: the plan is decided."""
        self.open = False
        self._actions.clear()
        self._end(completed=True)

    def reopen(self) -> None:
        """Remember again, from here on: another part of the plan is to be decided."""
        self.open = True

    async def run(self, emit: Emit) -> None:
        """Undo everything, last first; failures are warnings and do not stop the others."""
        completed = False
        try:
            async with asyncio.timeout(self._seconds):
                while self._actions:
                    await self._undo(*self._actions[-1], emit)
                    self._actions.pop()
            completed = True
        except TimeoutError:
            left = ", ".join(step.text for step, _ in reversed(self._actions))
            self._actions.clear()
            text = f"undoing took more than {self._seconds:g} s and was given up"
            emit(Note(text, "warning", hint=f"not undone: {left}; {self._advice}"))
        finally:
            self._end(completed=completed)

    def _end(self, *, completed: bool) -> None:
        while self._endings:
            self._endings.pop()(completed)

    async def _undo(self, step: BaseStep, action: Callable[[], Awaitable[object]], emit: Emit) -> None:
        try:
            try:
                await action()
            except FtlError:  # what failed may have been this one call: what is undone next relies on it
                await action()
        except FtlError as error:
            emit(Note(f"could not undo `{step.text}`: {error.summary}", "warning", hint=self._advice))
        else:
            emit(StepUndone(step.kind, step.text, step.subject))
