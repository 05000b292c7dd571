"""A project on three servers, whose commands are broken off, and of which one server fails.

Swarm decides where replicas run, and names them: compared are the servers' files, settings, networks and volumes, and
how many replicas run.
"""

from __future__ import annotations

import random
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lab.servers import Lab
from tests.faults.kinds import SERVER_FAULTS, Faults, Kind, Link
from tests.faults.objects import local_leftovers, snapshot
from tests.faults.running import Commands
from tests.faults.trials import Clock, Trial, at_step, flaws
from tests.faults.undisturbed import UndisturbedRun, moments
from tests.harness import Project, environment

from bench.cluster.stage import Stage, total
from bench.faults.worlds import made
from bench.project import remove_images, run_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lab.servers import Server, Store
    from tests.faults.running import Ended

SUITE = "trixie"

KINDS: Sequence[Kind] = ("kill", "cut", "engine_restart", "reboot", "slow_link", "rival")
"""What is broken, in turn; the server that it is broken on is another one each time."""

SETTLE_SECONDS = 120.0
"""Limit for a server that comes back: Swarm calls it ready, and its proxy learns what is live."""

_COMPARED = ("file ", "setting ", "network ", "volume ", "cron ", "rule ")


@dataclass(frozen=True, slots=True)
class ClusterCommand:
    """A command of a cluster, with what runs before it and what leads back; {b} is the second server."""

    argv: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()


_WAIT = ("--wait-lock", "60")
_DRAIN, _RESUME = ("servers", "drain", "{b}"), ("servers", "resume", "{b}", *_WAIT)

COMMANDS: Sequence[ClusterCommand] = (
    ClusterCommand(_DRAIN, after=(_RESUME,)),
    ClusterCommand(_RESUME, before=(_DRAIN,), after=(_RESUME,)),
    ClusterCommand(("deploy",)),
    ClusterCommand(("setup",), after=(("setup",),)),
)


class Cluster(Commands):
    """The servers a, b and c behind a relay each, with clients at every proxy."""

    def __init__(self, lab: Lab, folder: Path, name: str, links: ExitStack) -> None:
        self.servers = lab.cluster(*[SUITE] * 3)
        self.links = {server.name: links.enter_context(Link(server)) for server in self.servers}
        self.home, self.temporary = folder / "home", folder / "tmp"
        self.temporary.mkdir()
        user = {**environment(self.home), "TMPDIR": str(self.temporary), "PYTHONDEVMODE": "1"}
        project = Project(folder / "project", user)
        project.folder.mkdir()
        super().__init__(project, ())
        self.stage = Stage(project, name, self.servers)
        self.stage.ssh_config(self.servers, {name: link.port for name, link in self.links.items()})
        self.version = 0
        self.change()
        for argv in (("setup",), ("deploy",)):
            self.run_well(*argv)
        self.change()
        self.run_well("deploy")
        time.sleep(10)  # old replicas have gone
        self.expected = self._snapshots()

    def change(self) -> None:
        """Write a new version."""
        self.version += 1
        self.project.write({"ftl.yaml": self.stage.config(), "app/www/index.html": f"v{self.version}"})

    def words(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Arguments with the name of the second server in its place."""
        return tuple(word.format(b=f"{self.servers[1].name}.test") for word in argv)

    def answers(self) -> bool:
        """Whether each proxy answers from one release, whichever."""
        return len({self._ask(server) for server in self.servers for _ in range(4)} - {(200, "")}) == 1

    def is_settled(self) -> bool:
        """Whether each proxy answers from the release of now, and all servers are ready."""
        if {self._ask(server) for server in self.servers} != {(200, f"v{self.version}")}:
            return False
        states = [server["state"] for server in self.run("servers").result.get("servers", ())]
        return states == ["ready"] * 3 and self.stage.replicas_running(self.servers[0]) == self.stage.replicas

    def differences(self) -> list[str]:
        """What is there on a server, or here, and was not, or the other way round."""
        now = self._snapshots()
        found = [
            f"{sign} {name}: {line}"
            for name, expected in self.expected.items()
            for sign, lines in (("+", now[name] - expected), ("-", expected - now[name]))
            for line in sorted(lines)
        ]
        return found + local_leftovers(self.home, self.temporary)

    def _ask(self, server: Server) -> tuple[int, str]:
        try:
            status, body = self.stage.ask(server)
        except OSError as error:
            return 0, type(error).__name__
        return status, body.strip()

    def _snapshots(self) -> dict[str, set[str]]:
        return {
            server.name: {line for line in snapshot(server) if line.startswith(_COMPARED)}
            for server in self.servers
        }


class ClusterTrials:
    """Makes trials of a cluster."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._seed = seed
        self._known: dict[tuple[str, ...], UndisturbedRun] = {}

    def run(self, kind: Kind, turn: int, attempt: int) -> Trial:
        """One fault, and the checks."""
        cluster, chance = self._cluster, random.Random(f"{self._seed} cluster {turn} {attempt}")
        command = COMMANDS[(turn + turn // len(KINDS)) % len(COMMANDS)]
        victim = cluster.servers[(turn // 2) % 3]
        known = self._known_run(command)
        drawn = moments(*known, chance.randrange(1 << 30))
        step, occurrence, delay = next(islice(drawn, 1))
        words = " ".join(command.argv)
        trial = Trial(kind, words, f"{words}: {step}[{occurrence}]+{delay:.2f} at {victim.name}")
        clock = Clock(trial.seconds)
        self._prepare(command)
        cluster.told.clear()
        cluster.locked = 0.0
        clock.lap("before")
        faults = Faults(victim, cluster.links[victim.name])
        with cluster.stage.loads(cluster.servers) as loads:
            rivals: list[Ended] = []
            argv = cluster.words(command.argv)
            fault = faults.of(kind, chance, lambda: rivals.append(cluster.run(*argv)))
            ended = cluster.run_until(argv, at_step(step, occurrence, _noting(trial, fault), delay))
            clock.lap("command")
            at = time.monotonic()
            faults.end(kind)
            trial.hung = None in {each.status for each in (ended, *rivals)}
            trial.site_lost = not within(cluster.answers)
            clock.lap("site")
            ends = [cluster.run(*cluster.words(each)) for each in command.after]
            trial.wrong += [f"afterwards: {each}" for each in ends if each.status != 0]
            self._converge(trial)
            clock.lap("deploys")
            trial.recovery = time.monotonic() - at
        tally = total(loads)
        trial.requests, trial.failed = tally.requests, 0 if kind in SERVER_FAULTS else tally.failed
        trial.locked = round(cluster.locked, 1)
        trial.wrong = flaws(trial, [*trial.wrong, *sorted(cluster.told)], dict(tally.reasons))
        return trial

    def _converge(self, trial: Trial) -> None:
        cluster = self._cluster
        ends = [cluster.run("deploy", *_WAIT), cluster.run("deploy")]
        trial.status_wrong = not within(cluster.is_settled)
        within(lambda: not cluster.differences())
        trial.leftovers = cluster.differences()
        good = [each.status for each in ends] == [0, 0] and not ends[1].result.get("changed", True)
        trial.converged = good and not trial.leftovers
        if not good:
            trial.wrong.append(f"next deploys: {ends[0]}; {ends[1]}")

    def _prepare(self, command: ClusterCommand) -> None:
        if command.argv == ("deploy",):
            self._cluster.change()
        for argv in command.before:
            self._cluster.run_well(*self._cluster.words(argv))

    def _known_run(self, command: ClusterCommand) -> UndisturbedRun:
        """The steps of a command, which is run once to see them."""
        if command.argv not in self._known:
            self._prepare(command)
            clean = self._cluster.run_well(*self._cluster.words(command.argv))
            for argv in command.after:
                self._cluster.run_well(*self._cluster.words(argv))
            self._known[command.argv] = UndisturbedRun(clean.steps, clean.seconds)
        return self._known[command.argv]


def _noting(trial: Trial, fault: Callable[[int], bool]) -> Callable[[int], None]:
    def strike(process: int) -> None:
        trial.hit = fault(process)

    return strike


def within(holds: Callable[[], bool]) -> bool:
    """Whether something holds within `SETTLE_SECONDS`."""
    end = time.monotonic() + SETTLE_SECONDS
    while not (good := holds()) and time.monotonic() < end:
        time.sleep(1)
    return good


@dataclass(frozen=True, slots=True)
class ClusterShare:
    """The trials of clusters.

    Attributes:
        count: How many.
        seed: Of the moments.
        number: Of its process.
        suite: Of the servers.
        store: Of their engines.
    """

    count: int
    seed: int
    number: int = 0
    suite: str = SUITE
    store: Store = "overlay2"

    def trials(self) -> Iterator[Trial]:
        """Make them, in turn of each kind."""
        turns = [(KINDS[turn % len(KINDS)], turn) for turn in range(self.count)]
        yield from made(str(self), turns, partial(_cluster, self.seed))

    def __str__(self) -> str:
        return "cluster"


@contextmanager
def _cluster(seed: int) -> Iterator[ClusterTrials]:
    """A prepared cluster, and what makes trials in it."""
    name = run_name("fault-cluster")
    with (
        Lab(name) as lab,
        tempfile.TemporaryDirectory(prefix="ftl-faults-") as folder,
        ExitStack() as links,
    ):
        try:
            yield ClusterTrials(Cluster(lab, Path(folder), name, links), seed)
        finally:
            remove_images(name)
