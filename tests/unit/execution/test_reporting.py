"""The events of a step: each that was started ends, and its errors know where they are from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.dataclass import dataclass
from ftl.errors import EngineError, ErrorContext
from ftl.events import StepFailed, StepFinished, StepInterrupted, StepStarted
from ftl.execution.reporting import reported
from ftl.execution.step import BaseStep
from tests.support.clock import run

if TYPE_CHECKING:
    from ftl.events import Event


@dataclass(frozen=True, slots=True)
class Wait(BaseStep):
    """A step of the tests."""

    kind = "wait"
    sentence = "wait {0.seconds} seconds"
    seconds: float

    @property
    def subject(self) -> str:
        return "web"


def test_a_step_is_reported_with_the_time_that_it_took() -> None:
    """Started, then finished."""
    events: list[Event] = []

    async def main() -> None:
        async with reported(events.append, Wait(2)):
            await asyncio.sleep(2)

    run(main())
    assert events == [
        StepStarted("wait", "wait 2 seconds", "web"),
        StepFinished("wait", "wait 2 seconds", 2, "web"),
    ]


def test_a_failed_step_is_reported_and_its_error_gets_the_place() -> None:
    """What the error knows itself stays; a fault of FTL's own is reported as well."""
    events: list[Event] = []

    async def main(error: Exception) -> None:
        async with reported(events.append, Wait(2), server="b"):
            raise error

    with pytest.raises(EngineError) as caught:
        run(main(EngineError("no", place=ErrorContext(server="a"))))
    assert caught.value.place == ErrorContext("a", "web", "wait")
    with pytest.raises(ZeroDivisionError):
        run(main(ZeroDivisionError()))
    assert [type(event) for event in events] == [StepStarted, StepFailed] * 2


def test_an_interrupted_step_is_reported_as_one() -> None:
    """Ctrl-C is a cancellation; in JSON it is a step that failed."""
    events: list[Event] = []

    async def main() -> None:
        async with reported(events.append, Wait(2)):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(main())
    assert events[1:] == [StepInterrupted("wait", "wait 2 seconds", "web")]
    assert events[1].type == "step_failed"
