"""Trials of the fault bench: who makes which, and at which moments."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest
from bench.faults.worlds import Share

from tests.faults.undisturbed import KnownRuns, UndisturbedRun, moments

if TYPE_CHECKING:
    from pathlib import Path

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
