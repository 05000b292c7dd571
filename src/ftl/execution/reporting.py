"""The events of a step that runs: started, then finished, failed or interrupted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.errors import at
from ftl.events import StepFailed, StepFinished, StepInterrupted, StepStarted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.events import Emit
    from ftl.execution.step import BaseStep


@asynccontextmanager
async def reported(emit: Emit, step: BaseStep, *, server: str | None = None) -> AsyncIterator[None]:
    """Report a step while this block runs it; its errors get their place.

    Each step that was started ends with one event, however the block is left. Errors are about the server where they do
    not name one themselves.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    emit(StepStarted(step.kind, step.located_text, step.subject))
    try:
        with at(server=server, service=step.subject, step=step.place):
            yield
    except asyncio.CancelledError:
        emit(StepInterrupted(step.kind, step.located_text, step.subject))
        raise
    except BaseException:
        emit(StepFailed(step.kind, step.located_text, step.subject))
        raise
    emit(StepFinished(step.kind, step.located_text, loop.time() - began, step.subject))
