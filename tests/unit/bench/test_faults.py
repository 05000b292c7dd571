"""Trials of the fault bench: who makes which, and at which moments."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, cast

import pytest
from bench.faults.worlds import Share
from lab.place import LabError

from tests.faults.trials import Trial
from tests.faults.undisturbed import KnownRuns, UndisturbedRun, moments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.faults.trials import Kind, Trials

SUITES = ("bookworm", "trixie", "sid")


def share(number: int, worlds: int, commands: tuple[str, ...], folder: Path) -> Share:
    """The share of one of some worlds."""
    return Share(
        number=number,
        worlds=worlds,
        suite=SUITES[number % 3],
        store="overlay2",
        commands=commands,
        numbers={"kill": 40, "cut": 7, "full_disk": 0, "engine_restart": 1, "reboot": 2},
        seed=0,
        known=folder,
    )


@pytest.mark.parametrize("worlds", [1, 2, 3])
@pytest.mark.parametrize("commands", [("deploy",), ("deploy", "setup", "prune"), ("deploy", "build")])
def test_worlds_share_all_turns(worlds: int, commands: tuple[str, ...], tmp_path: Path) -> None:
    """Each turn is made once, and several worlds make about as many."""
    shares = [share(number, worlds, commands, tmp_path) for number in range(worlds)]
    turns = [each.turns(("kill", "cut")) for each in shares]
    assert sorted(turn for each in turns for turn in each) == sorted(
        [("kill", turn) for turn in range(40)] + [("cut", turn) for turn in range(7)]
    )
    assert max(map(len, turns)) - min(map(len, turns)) <= 4


def test_every_command_comes_to_every_world(tmp_path: Path) -> None:
    """As many commands as worlds, or a multiple of these, are no reason that each has but some of them."""
    commands = ("deploy", "rollback", "prune", "stop", "start", "build")
    for number in range(3):
        turns = share(number, 3, commands, tmp_path).turns(("kill",))
        assert {turn % len(commands) for _, turn in turns} == set(range(len(commands)))


def test_a_suite_without_setup_tries_something_else_in_its_place(tmp_path: Path) -> None:
    """The turns of all worlds are counted by the same number of commands."""
    trixie, sid = (share(number, 3, ("setup", "prune"), tmp_path) for number in (1, 2))
    assert trixie.names(("kill", "cut")) == ["setup", "prune"]
    assert sid.names(("kill", "cut")) == ["deploy", "prune"]
    assert trixie.names(("reboot",)) == sid.names(("reboot",)) == ["prune"]


class Unsteady(Share):
    """A share whose first world cannot be prepared, and in whose second one the second trial cannot be made."""

    @contextmanager
    def _world(self, kinds: Sequence[Kind]) -> Iterator[Trials]:
        number = next(PREPARED)
        if number == 0:
            raise LabError("the server did not boot")
        yield cast("Trials", Stumbling(stumbles=number == 1))


class Stumbling:
    """Makes trials, but for the second one."""

    def __init__(self, *, stumbles: bool) -> None:
        self.stumbles = stumbles

    def run(self, kind: Kind, turn: int) -> Trial:
        """A flawless trial."""
        if turn == 1 and self.stumbles:
            raise RuntimeError("no deploy")
        return Trial(kind, "deploy", f"turn {turn}")


PREPARED = itertools.count()


def test_a_world_that_fails_costs_no_other_trial(tmp_path: Path) -> None:
    """What could not be made is counted once, and the rest is made in another world."""
    numbers: dict[Kind, int] = {"kill": 3, "cut": 0, "full_disk": 0, "engine_restart": 0, "reboot": 0}
    trials = [*Unsteady(0, 1, "trixie", "overlay2", ("deploy",), numbers, 0, tmp_path).trials()]
    assert [trial.moment for trial in trials] == ["turn 0", "turn 1", "turn 2"]
    assert [trial.wrong for trial in trials] == [
        [],
        ["the trial could not be made: RuntimeError: no deploy"],
        [],
    ]
    assert [trial.converged for trial in trials] == [True, False, True]


def test_the_first_undisturbed_run_counts(tmp_path: Path) -> None:
    """Two worlds that made one at the same time draw the same moments afterwards."""
    first, second = UndisturbedRun(["send", "start", "send"], 4.0), UndisturbedRun(["start"], 3.0)
    assert KnownRuns(tmp_path).read("deploy") is None
    assert KnownRuns(tmp_path).keep("deploy", first) == first
    assert KnownRuns(tmp_path).keep("deploy", second) == first
    assert KnownRuns(tmp_path).read("deploy") == first
    assert KnownRuns(tmp_path).read("build") is None


def test_every_step_gets_its_moment_before_one_gets_two() -> None:
    """A step that comes twice is two of them; the same seed draws the same moments."""
    drawn = list(islice(moments(["send", "start", "send"], 4.0, seed=7), 6))
    for half in (drawn[:3], drawn[3:]):
        assert {(step, occurrence) for step, occurrence, _ in half} == {
            ("send", 0),
            ("start", 0),
            ("send", 1),
        }
    assert drawn == list(islice(moments(["send", "start", "send"], 4.0, seed=7), 6))
    assert all(0 <= delay <= 4.0 for _, _, delay in islice(moments([], 4.0, seed=7), 20))
