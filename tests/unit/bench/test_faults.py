"""Trials of the fault bench: who makes which, and at which moments."""

from __future__ import annotations

import itertools
import os
import subprocess
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, cast

import pytest
from bench.faults.options import DEFAULTS
from bench.faults.worlds import ATTEMPTS, Share
from lab.place import LabError

from tests.faults.kinds import is_running
from tests.faults.runs import Run, twice
from tests.faults.trials import Trial
from tests.faults.undisturbed import KnownRuns, UndisturbedRun, moments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.faults.kinds import Kind
    from tests.faults.trials import Trials

SUITES = ("bookworm", "trixie", "sid")


def share(number: int, worlds: int, commands: tuple[str, ...], folder: Path) -> Share:
    """The share of one of some worlds."""
    return Share(
        number=number,
        worlds=worlds,
        suite=SUITES[number % 3],
        store="overlay2",
        commands=commands,
        numbers={**dict.fromkeys(DEFAULTS, 0), "kill": 40, "cut": 7, "engine_restart": 1, "reboot": 2},
        seed=0,
        known=folder,
    )


@pytest.mark.parametrize("worlds", [1, 2, 3])
@pytest.mark.parametrize("commands", [("deploy",), ("deploy", "setup", "prune"), ("deploy", "stop")])
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
    assert trixie.names("kill") == trixie.names("cut") == ["setup", "prune"]
    assert sid.names("kill") == sid.names("cut") == ["deploy", "prune"]
    assert trixie.names("reboot") == sid.names("reboot") == ["prune"]


def test_what_a_fault_cannot_meet_has_no_turn(tmp_path: Path) -> None:
    """A command of this machine alone is killed; two backups beside each other have files of their own."""
    commands = ("build", "secrets", "backup", "deploy")
    own = share(0, 1, commands, tmp_path)
    assert own.names("kill") == [*commands]
    assert own.names("cut") == ["backup", "deploy"]
    assert own.names("rival") == ["deploy"]
    assert share(0, 1, ("build",), tmp_path).turns(("cut",)) == []


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

    def run(self, kind: Kind, turn: int, attempt: int) -> Trial:
        """A flawless trial; of turn 3 the second attempt hits, of turn 5 none."""
        if turn == 1 and self.stumbles:
            raise RuntimeError("no deploy")
        return Trial(kind, "deploy", f"turn {turn}", hit=turn < 5 and (turn, attempt) != (3, 0))


PREPARED = itertools.count()


def test_a_world_that_fails_costs_no_other_trial(tmp_path: Path) -> None:
    """What could not be made is counted once, and the rest is made in another world."""
    numbers: dict[Kind, int] = {**dict.fromkeys(DEFAULTS, 0), "kill": 3}
    trials = [*Unsteady(0, 1, "trixie", "overlay2", ("deploy",), numbers, 0, tmp_path).trials()]
    assert [trial.moment for trial in trials] == ["turn 0", "turn 1", "turn 2"]
    assert [trial.wrong for trial in trials] == [
        [],
        ["the trial could not be made: RuntimeError: no deploy"],
        [],
    ]
    assert [trial.converged for trial in trials] == [True, False, True]


class Steady(Share):
    """A share whose world can be prepared."""

    @contextmanager
    def _world(self, kinds: Sequence[Kind]) -> Iterator[Trials]:
        yield cast("Trials", Stumbling(stumbles=False))


def test_a_trial_that_does_not_hit_is_made_again(tmp_path: Path) -> None:
    """At other moments of its turn's command; and not for ever."""
    numbers: dict[Kind, int] = {**dict.fromkeys(DEFAULTS, 0), "kill": 6}
    trials = [*Steady(0, 1, "trixie", "overlay2", ("deploy",), numbers, 0, tmp_path).trials()]
    made = [(trial.moment, trial.hit) for trial in trials]
    assert made[3:6] == [("turn 3", False), ("turn 3", True), ("turn 4", True)]
    assert made[6:] == [("turn 5", False)] * ATTEMPTS


def test_two_containers_that_ran_at_a_time_are_seen() -> None:
    """Not one after another, nor the same one again, nor two services, nor within what an engine tells late."""
    runs = [
        Run("solo", "a", 0.0, 10.0),
        Run("solo", "a", 10.5, 20.0),
        Run("db", "b", 5.0, 15.0),
        Run("solo", "c", 19.9, 30.0),
    ]
    assert twice(runs) == []
    late = Run("solo", "d", 28.5, 40.0)
    assert twice([*runs, late]) == ["two containers of solo ran at a time, for 1.5 s"]


def test_a_process_that_has_ended_is_not_hit() -> None:
    """Also while nobody has asked for its exit status: a signal would find it."""
    with subprocess.Popen(("cat",), stdin=subprocess.PIPE) as process:
        assert is_running(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        os.kill(process.pid, 0)
        assert not is_running(process.pid)
    assert not is_running(process.pid)


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
