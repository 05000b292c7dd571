"""Trials: one command, one fault at one moment, and checks of the state that follows."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from tests.faults.builder import forget_images
from tests.faults.kinds import HARMLESS, SERVER_FAULTS, Faults
from tests.faults.runs import Runs
from tests.faults.secret_scan import SecretScan
from tests.faults.undisturbed import UndisturbedRun, moments
from tests.faults.world import SINGLE, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.faults.commands import Command
    from tests.faults.kinds import Kind, Link
    from tests.faults.running import Ended
    from tests.faults.undisturbed import KnownRuns, Moment
    from tests.faults.world import World
    from tests.harness import Project

FAR = 1000
"""Moments of a command between those of two attempts: no run has so many trials of one."""


class Clock:
    """Seconds of the parts of something, in order."""

    def __init__(self, laps: dict[str, float]) -> None:
        self._laps = laps
        self._began = time.monotonic()

    def lap(self, name: str) -> None:
        """End the part of this name, and begin the next."""
        now = time.monotonic()
        self._laps[name] = round(now - self._began, 1)
        self._began = now


@dataclass(slots=True)
class Trial:
    """Result of one fault.

    Attributes:
        moment: Step and seconds, as the trial is repeated.
        hit: The command still ran at that moment, and there was something to break.
        locked: Seconds for which commands waited afterwards for what the interrupted one left running.
        recovery: Seconds from the fault until the next command had everything in its expected state.
        seconds: Of each part of the trial, to see what it is spent on.
        wrong: One line for each thing that is not as promised; empty for a flawless trial.
    """

    kind: Kind
    command: str
    moment: str
    hit: bool = False
    locked: float = 0.0
    requests: int = 0
    failed: int = 0
    recovery: float = 0.0
    hung: bool = False
    site_lost: bool = False
    status_wrong: bool = False
    converged: bool = True
    leftovers: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class Trials:
    """Makes trials in a prepared world, each at the next moment.

    Args:
        world: Prepared.
        commands: Commands by the kind of fault; each is tried at each of its steps.
        seed: Of the order and the moments; the same seed repeats a run.
        link: Relay that the world's connections go through.
        known: Remembers commands that ran undisturbed.
        apart: IDs of containers on this machine that have the planted secrets on purpose.
    """

    def __init__(
        self,
        world: World,
        commands: Mapping[Kind, Sequence[Command]],
        *,
        seed: int = 0,
        link: Link | None = None,
        known: KnownRuns,
        apart: Sequence[str] = (),
    ) -> None:
        self._world = world
        self._faults = Faults(world.server, link)
        self._commands = {
            kind: random.Random(seed).sample(chosen, len(chosen)) for kind, chosen in commands.items()
        }
        self._seed = seed
        self._apart = apart
        self._known = known
        self._previous = ""

    def _at_turn(self, kind: Kind, turn: int, attempt: int) -> tuple[Command, Moment]:
        """The command and the moment of a turn; one that nobody has tried yet runs undisturbed, to see its steps."""
        commands = self._commands[kind]
        number = turn % len(commands)
        command = commands[number]
        known = self._known.read(str(command))
        if known is None:
            known = self._known.keep(str(command), self._undisturbed(command))
        drawn = moments(*known, self._seed + number)
        return command, next(islice(drawn, turn // len(commands) + attempt * FAR, None))

    def _undisturbed(self, command: Command) -> UndisturbedRun:
        """Steps and seconds of a command."""
        self._prepare(command)
        project = self._project(command)
        clean = self._world.run_well(*self._words(command.argv), project=project, stdin=command.stdin)
        self._lead_back(command)
        if command.argv != ("deploy",):
            self._world.run_well("deploy")
        return UndisturbedRun(clean.steps, clean.seconds)

    def _project(self, command: Command) -> Project:
        world = self._world
        return {
            "project": world.project,
            "passing": world.passing,
            "store": world.store.project,
            "kept": world.kept,
            "builder": world.building,
        }[command.project]

    def _words(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Arguments with names in their places."""
        return tuple(word.format(name=self._world.name, previous=self._previous) for word in argv)

    def _prepare(self, command: Command) -> None:
        self._world.change()
        if any("{previous}" in word for word in command.argv):
            self._previous = self._world.previous_release()
        for argv in command.before:
            self._world.run_well(*self._words(argv), project=self._project(command))
        if command.forget:
            self._world.server.run("sh", "-c", *self._words((command.forget,)))
        if command.forget_here:
            forget_images(self._world.name)
        if command.data is not None:
            self._world.store.before(*command.data)

    def _lead_back(self, command: Command) -> list[str]:
        """Run what leads back to the state from which a deploy converges; one line for each thing that is wrong."""
        wrong = self._world.store.after_fault(*command.data) if command.data is not None else []
        ends = [
            self._world.run(*self._words(argv), project=self._project(command), stdin=command.stdin)
            for argv in command.after
        ]
        good = {0, 2} if command.may_be_done else {0}
        wrong += [f"afterwards: {ended}" for ended in ends if ended.status not in good]
        if command.twice and (again := self._world.run(*command.after[-1])).result.get("changed", True):
            wrong.append(f"once more: {again}: {again.result.get('changes')}")
        if command.data is not None:
            wrong += self._world.store.at_end(*command.data)
        if command.tidy:
            self._world.server.run("sh", "-c", command.tidy)
        return wrong

    def run(self, kind: Kind, turn: int, attempt: int = 0) -> Trial:
        """One fault of a kind, and the checks; every turn has its own command and moment, whoever makes it.

        A further attempt, where the one before did not hit, has another moment of the same command.
        """
        world = self._world
        command, moment = self._at_turn(kind, turn, attempt)
        step, occurrence, delay = moment
        trial = Trial(kind, str(command), f"{command}: {step}[{occurrence}]+{delay:.2f}")
        clock = Clock(trial.seconds)
        self._prepare(command)
        clock.lap("before")
        services = (world.password, world.login)
        scanning = SecretScan(world.token, *services, services=services, apart=self._apart)
        world.told.clear()
        world.locked = 0.0
        with scanning as scan, world.load() as tally, Runs(world.server, world.name) as runs:
            chance = random.Random(f"{self._seed} {kind} {turn} {attempt}")
            ended = self._broken(trial, command, moment, chance)
            clock.lap("command")
            at = time.monotonic()
            if kind == "full_disk":
                trial.site_lost |= not world.serves_one_release()
            self._faults.end(kind)
            trial.hung = any(each.status is None for each in ended)
            trial.site_lost |= not world.serves_one_release()
            trial.wrong += world.not_single()
            clock.lap("site")
            trial.status_wrong = not world.status_is_true()
            clock.lap("status")
            trial.wrong += self._lead_back(command)
            clock.lap("after")
            self._converge(trial, clock)
            trial.recovery = time.monotonic() - at
        trial.wrong += runs.twice(SINGLE)
        trial.locked = round(world.locked, 1)
        trial.secrets = sorted({*scan.found, *world.exposed_secrets()})
        clock.lap("secrets")
        trial.requests = tally.requests
        trial.failed = 0 if kind in SERVER_FAULTS else tally.failed
        trial.wrong = flaws(trial, [*trial.wrong, *sorted(world.told)], dict(tally.reasons))
        return trial

    def _broken(self, trial: Trial, command: Command, moment: Moment, chance: random.Random) -> list[Ended]:
        """Run the command, and break something at a moment; the ends of all its runs."""
        world, project = self._world, self._project(command)
        argv = self._words(command.argv)
        ended: list[Ended] = []

        def run_again() -> None:
            ended.append(world.run(*argv, project=project, stdin=command.stdin))

        rival = threading.Thread(target=run_again)
        fault = self._faults.of(trial.kind, chance, rival.start)

        def strike(process: int) -> None:
            trial.hit = fault(process)

        step, occurrence, delay = moment
        first = world.run_until(
            argv,
            at_step(step, occurrence, strike, delay) if step else lambda _: None,
            project=project,
            after=None if step else delay,
            fault=None if step else strike,
            stdin=command.stdin,
        )
        if rival.ident is not None:
            rival.join()
        ended.append(first)
        trial.wrong += [f"disturbed: {each}" for each in _unexpected(trial.kind, command, ended)]
        return ended

    def _converge(self, trial: Trial, clock: Clock) -> None:
        """Deploy twice: everything is in its expected state, and the second finds nothing to do."""
        world = self._world
        ended = world.run("deploy", "--wait-lock", "60")
        again = world.run("deploy")
        clock.lap("deploys")
        trial.hung |= ended.status is None or again.status is None
        good = ended.status == 0 and again.status == 0 and not again.result.get("changed", True)
        good &= eventually(lambda: world.answers() == {(200, world.version)})
        trial.leftovers = world.differences()
        trial.foreign = world.foreign_touched()
        clock.lap("comparison")
        trial.converged = good and not trial.leftovers
        if not good:
            trial.wrong.append(f"next deploys: {ended}; {again}; changed {again.result.get('changed')}")


def at_step(
    step: str, occurrence: int, fault: Callable[[int], None], delay: float
) -> Callable[[dict[str, Any]], Callable[[int], None] | None]:
    """The fault, some seconds after a step has begun for the n-th time."""
    seen = -1

    def saw(line: dict[str, Any]) -> Callable[[int], None] | None:
        nonlocal seen
        if line["type"] == "step_started" and line["step"] == step:
            seen += 1
            if seen == occurrence:
                time.sleep(delay)
                return fault
        return None

    return saw


def flaws(trial: Trial, wrong: Sequence[str], reasons: Mapping[str, int]) -> list[str]:
    """All that is not as promised, with what is known of it already, and why requests failed."""
    lines = list(wrong)
    if trial.hung:
        lines.append("hung")
    if trial.site_lost:
        lines.append("the site did not answer after the fault")
    if trial.status_wrong:
        lines.append("status did not tell the truth")
    if trial.failed:
        lines.append(f"{trial.failed} requests failed: {reasons}")
    lines += [f"a secret is in: {place}" for place in trial.secrets]
    return [*lines, *trial.leftovers, *(f"foreign: {line}" for line in trial.foreign)]


def _unexpected(kind: Kind, command: Command, ended: Sequence[Ended]) -> list[Ended]:
    """Runs of a command that ended otherwise than they should, beside a fault that stops none."""
    if kind in HARMLESS:
        return [each for each in ended if each.status != 0]
    if kind != "rival":
        return []
    good = {0, command.refusal, *((2,) if command.may_be_done else ())}
    statuses = [each.status for each in ended]
    return [] if 0 in statuses and good.issuperset(statuses) else [*ended]
