"""Commands that ran undisturbed, and the moments at which they can be broken off."""

from __future__ import annotations

import hashlib
import json
import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class UndisturbedRun(NamedTuple):
    """Kinds of the steps of a command, in order, and the seconds that it took."""

    steps: list[str]
    seconds: float


class Moment(NamedTuple):
    """Moment of a fault: seconds after a kind of step has begun for the n-th time.

    Without a step: seconds after the command has begun.
    """

    step: str
    occurrence: int
    delay: float


class KnownRuns:
    """Undisturbed runs by the words of their commands, in a folder that several processes share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, command: str) -> UndisturbedRun | None:
        """The run of a command; None if nobody has made one."""
        try:
            steps, seconds = json.loads(self._file(command).read_text())
        except FileNotFoundError:
            return None
        return UndisturbedRun(steps, seconds)

    def keep(self, command: str, run: UndisturbedRun) -> UndisturbedRun:
        """Remember a run; the first one counts, and is returned, so that all draw the same moments."""
        file = self._file(command)
        part = file.with_suffix(f".{random.SystemRandom().getrandbits(64):x}")
        part.write_text(json.dumps(run))
        try:
            file.hardlink_to(part)
        except FileExistsError:
            pass
        finally:
            part.unlink()
        kept = self.read(command)
        assert kept is not None
        return kept

    def _file(self, command: str) -> Path:
        return self._folder / f"{hashlib.sha256(command.encode()).hexdigest()}.json"


def moments(steps: list[str], seconds: float, seed: int) -> Iterator[Moment]:
    """Endless moments for faults; the same seed draws the same.

    Where a command has no steps, or shows none, any of its seconds.
    """
    chance = random.Random(seed)
    while not steps:
        yield Moment("", 0, chance.uniform(0.0, seconds))
    counted = [(step, steps[:at].count(step)) for at, step in enumerate(steps)]
    while True:
        for step, occurrence in chance.sample(counted, len(counted)):
            yield Moment(step, occurrence, chance.choice((0.0, 0.02, 0.1, 0.3, 0.8)))
