"""Stages of a plan: steps that run one after the other, and those that run side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from ftl.dataclass import dataclass
from ftl.execution.step import BaseStep

if TYPE_CHECKING:
    from collections.abc import Iterable

S = TypeVar("S", bound=BaseStep)


@dataclass(frozen=True, slots=True)
class StageOf(Generic[S]):
    """Tracks that run concurrently; a stage begins when the one before it has ended.

    Attributes:
        tracks: Each has steps that run one after the other.
        decides: The plan is decided in this stage: it runs to its end even when interrupted, and after it nothing is
            undone.
        begins_part: Another part of the plan begins here, which is decided and undone by itself. The parts before
            it stay.
        keeps_data: No dependency and no data has been changed when this stage and those before it have ended.
    """

    name: str
    tracks: tuple[tuple[S, ...], ...]
    decides: bool = False
    begins_part: bool = False
    keeps_data: bool = False


def compact(stages: Iterable[StageOf[S]]) -> tuple[StageOf[S], ...]:
    """Stages without empty tracks, and without those that have none left."""
    full = (replace(stage, tracks=tuple(filter(None, stage.tracks))) for stage in stages)
    return tuple(stage for stage in full if stage.tracks)


def steps_of(stages: Iterable[StageOf[S]]) -> tuple[S, ...]:
    """All steps, in the order in which plans are printed."""
    return tuple(step for stage in stages for track in stage.tracks for step in track)
