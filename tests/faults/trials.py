"""Trials: one command, one fault at one moment, and checks of the state that follows."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Self

from lab.relay import Relay

from tests.faults.secret_scan import SecretScan
from tests.faults.undisturbed import UndisturbedRun, moments
from tests.faults.world import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from lab.servers import Server

    from tests.faults.commands import Command
    from tests.faults.undisturbed import KnownRuns, Moment
    from tests.faults.world import World
    from tests.harness import Project

Kind = Literal["kill", "cut", "full_disk", "engine_restart", "reboot"]

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

SERVER_FAULTS = ("engine_restart", "reboot")
"""Kinds that take the site away themselves: requests that fail meanwhile are not counted."""

STALL_SECONDS = 20.0


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
        recovery: Seconds from the fault until the next command had everything in its expected state.
        seconds: Of each part of the trial, to see what it is spent on.
        wrong: One line for each thing that is not as promised; empty for a flawless trial.
    """

    kind: Kind
    command: str
    moment: str
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


class Link:
    """Relay to a server's sshd in a thread of its own, which can be cut or stalled; a context manager."""

    def __init__(self, server: Server) -> None:
        self._relay = Relay(("127.0.0.1", server.port))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return self._relay.port

    def cut(self) -> None:
        """End every connection; new ones work."""
        self._loop.call_soon_threadsafe(self._relay.cut)

    def stall(self, seconds: float) -> None:
        """Deliver nothing for some seconds, then end every connection."""
        self._relay.delay = 10 * seconds

        def over() -> None:
            self._relay.delay = 0.0
            self.cut()

        threading.Timer(seconds, over).start()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._relay.__aenter__(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._relay.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class Trials:
    """Makes trials in a prepared world, each at the next moment.

    Args:
        world: Prepared.
        commands: Commands that change the server; each is tried at each of its steps.
        seed: Of the order and the moments; the same seed repeats a run.
        link: Relay that the world's connections go through.
        known: Remembers commands that ran undisturbed.
        apart: IDs of containers on this machine that have the planted secrets on purpose.
    """

    def __init__(
        self,
        world: World,
        commands: Sequence[Command],
        *,
        seed: int = 0,
        link: Link | None = None,
        known: KnownRuns,
        apart: Sequence[str] = (),
    ) -> None:
        self._world = world
        self._link = link
        self._commands = random.Random(seed).sample(commands, len(commands))
        self._seed = seed
        self._apart = apart
        self._known = known

    def _at_turn(self, turn: int) -> tuple[Command, Moment]:
        """The command and the moment of a turn; one that nobody has tried yet runs undisturbed, to see its steps."""
        number = turn % len(self._commands)
        command = self._commands[number]
        known = self._known.read(str(command))
        if known is None:
            known = self._known.keep(str(command), self._undisturbed(command))
        drawn = moments(*known, self._seed + number)
        return command, next(islice(drawn, turn // len(self._commands), None))

    def _undisturbed(self, command: Command) -> UndisturbedRun:
        """Steps and seconds of a command."""
        self._prepare(command)
        project = self._project(command)
        clean = self._world.run_well(*command.argv, project=project, stdin=command.stdin)
        self._lead_back(command)
        if command.argv != ("deploy",):
            self._world.run_well("deploy")
        return UndisturbedRun(clean.steps, clean.seconds)

    def _project(self, command: Command) -> Project:
        world = self._world
        return {"project": world.project, "passing": world.passing, "store": world.store.project}[
            command.project
        ]

    def _prepare(self, command: Command) -> None:
        self._world.change()
        for argv in command.before:
            self._world.run_well(*argv, project=self._project(command))
        if command.forget:
            self._world.server.run("sh", "-c", command.forget)
        if command.data is not None:
            self._world.store.before(*command.data)

    def _lead_back(self, command: Command) -> list[str]:
        """Run what leads back to the state from which a deploy converges; one line for each thing that is wrong."""
        wrong = self._world.store.after_fault(*command.data) if command.data is not None else []
        ends = [
            self._world.run(*argv, project=self._project(command), stdin=command.stdin)
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

    def run(self, kind: Kind, turn: int) -> Trial:
        """One fault of a kind, and the checks; every turn has its own command and moment, whoever makes it."""
        world = self._world
        command, (step, occurrence, delay) = self._at_turn(turn)
        chance = random.Random(f"{self._seed} {kind} {turn}")
        trial = Trial(kind, str(command), f"{command}: {step}[{occurrence}]+{delay:.2f}")
        clock = Clock(trial.seconds)
        self._prepare(command)
        clock.lap("before")
        services = (world.password, world.login)
        scanning = SecretScan(world.token, *services, services=services, apart=self._apart)
        world.told.clear()
        with scanning as scan, world.load() as tally:
            fault = self._fault(kind, chance)
            project = self._project(command)
            if step:
                saw = self._at(step, occurrence, fault, delay)
                broken = world.run_until(command.argv, saw, project=project, stdin=command.stdin)
            else:
                broken = world.run_until(
                    command.argv,
                    lambda _: None,
                    project=project,
                    after=delay,
                    fault=fault,
                    stdin=command.stdin,
                )
            clock.lap("command")
            at = time.monotonic()
            self._recover(kind, trial)
            if broken.status is None:
                trial.hung = True
            trial.site_lost |= not world.serves_one_release()
            if not world.solo_runs():
                trial.wrong.append("not one container of `solo` runs after the fault")
            clock.lap("site")
            trial.status_wrong = not world.status_is_true()
            clock.lap("status")
            trial.wrong += self._lead_back(command)
            clock.lap("after")
            self._converge(trial, clock)
            trial.recovery = time.monotonic() - at
        trial.secrets = sorted({*scan.found, *world.exposed_secrets()})
        clock.lap("secrets")
        trial.requests = tally.requests
        trial.failed = 0 if kind in SERVER_FAULTS else tally.failed
        trial.wrong += sorted(world.told)
        trial.wrong = self._wrong(trial, dict(tally.reasons))
        return trial

    def _at(
        self, step: str, occurrence: int, fault: Callable[[int], None], delay: float
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

    def _fault(self, kind: Kind, chance: random.Random) -> Callable[[int], None]:
        server = self._world.server
        if kind == "kill":
            number = chance.choice(SIGNALS)
            return lambda process: _signal(process, number)
        if kind == "cut":
            assert self._link is not None
            link = self._link
            return (lambda _: link.cut()) if chance.random() < 0.7 else (lambda _: link.stall(STALL_SECONDS))
        if kind == "full_disk":
            return lambda _: fill(server)
        if kind == "engine_restart":
            return lambda _: kill_engine(server)
        return lambda _: server.kill()

    def _recover(self, kind: Kind, trial: Trial) -> None:
        """End the fault, as an operator or the machine itself would, without FTL."""
        server = self._world.server
        if kind == "full_disk":
            trial.site_lost |= not self._world.serves_one_release()
            make_room(server)
        elif kind == "engine_restart":
            server.start_engine()
        elif kind == "reboot":
            with suppress(Exception):
                server.kill()  # where the moment never came
            server.start()

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

    @staticmethod
    def _wrong(trial: Trial, reasons: dict[str, int]) -> list[str]:
        lines = list(trial.wrong)
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


def _signal(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def fill(server: Server) -> None:
    """Leave no room on the disk of a server's engine."""
    server.run("sh", "-c", "dd if=/dev/zero of=/var/lib/docker/filler bs=1M 2>/dev/null; true", timeout=60)


def make_room(server: Server) -> None:
    """Undo `fill`."""
    server.run("rm", "-f", "/var/lib/docker/filler")


def kill_engine(server: Server) -> None:
    """`kill -9` of the engine's daemon, as a crash or the kernel's OOM killer does it."""
    server.run("pkill", "-9", "-x", "dockerd", check=False)
