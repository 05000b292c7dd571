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
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING

from lab.servers import Lab
from tests.faults.commands import WAIT
from tests.faults.kinds import SERVER_FAULTS, Faults, Kind, Link
from tests.faults.objects import local_leftovers, snapshot
from tests.faults.running import Commands
from tests.faults.trials import Clock, Trial, at_step, flaws
from tests.faults.undisturbed import UndisturbedRun, moments
from tests.harness import Project, environment

from bench.cluster.stage import Stage, total
from bench.faults.cluster_commands import CLUSTER_NAMED, ClusterCommand
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

_WORKER = {"name": "worker", "build": "app", "command": "sleep 100000", "stop_timeout": 1}


class Cluster(Commands):
    """The servers a, b and c behind a relay each, with clients at every proxy.

    Attributes:
        asked: Servers whose proxies are to answer: without one that joins or leaves.
    """

    def __init__(self, lab: Lab, folder: Path, name: str, links: ExitStack) -> None:
        self.servers = lab.cluster(*[SUITE] * 3)
        self.asked = [*self.servers]
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
        self.project.write({"app/www/index.html": f"v{self.version}"})
        self.write_servers(self.servers)

    def write_servers(self, servers: Sequence[Server]) -> None:
        """Write an ftl.yaml with these servers."""
        self.stage.servers = servers
        config = self.stage.config()
        self.project.write({"ftl.yaml": {**config, "services": [*config["services"], _WORKER]}})

    def words(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Arguments with the names of servers in their places."""
        _, b, c = (f"{server.name}.test" for server in self.servers)
        return tuple(word.format(b=b, c=c) for word in argv)

    def answers(self) -> bool:
        """Whether each proxy answers from one release, whichever."""
        return len({self._ask(server) for server in self.asked for _ in range(4)} - {(200, "")}) == 1

    def is_settled(self) -> bool:
        """Whether each proxy answers from the release of now, and all servers are ready."""
        if {self._ask(server) for server in self.servers} != {(200, f"v{self.version}")}:
            return False
        states = [server["state"] for server in self.run("servers").result.get("servers", ())]
        replicas = self.stage.replicas + 1  # of the worker
        return states == ["ready"] * 3 and self.stage.replicas_running(self.servers[0]) == replicas

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

    def __init__(self, cluster: Cluster, commands: Sequence[ClusterCommand], seed: int) -> None:
        self._cluster = cluster
        self._commands = commands
        self._seed = seed
        self._known: dict[ClusterCommand, UndisturbedRun] = {}

    def run(self, kind: Kind, turn: int, attempt: int) -> Trial:
        """One fault, and the checks."""
        cluster, chance = self._cluster, random.Random(f"{self._seed} cluster {turn} {attempt}")
        # Without the shift each kind would meet some of the commands alone.
        command = self._commands[(turn + turn // lcm(len(KINDS), len(self._commands))) % len(self._commands)]
        victim = cluster.servers[(turn // 2) % 3]
        known = self._known_run(command)
        drawn = moments(*known, chance.randrange(1 << 30))
        step, occurrence, delay = next(islice(drawn, 1))
        trial = Trial(kind, str(command), f"{command}: {step}[{occurrence}]+{delay:.2f} at {victim.name}")
        clock = Clock(trial.seconds)
        self._prepare(command)
        cluster.told.clear()
        cluster.locked = 0.0
        clock.lap("before")
        faults = Faults(victim, cluster.links[victim.name])
        with cluster.stage.loads(cluster.asked) as loads:
            rivals: list[Ended] = []
            argv = cluster.words(command.argv)
            fault = faults.of(kind, chance, lambda: rivals.append(cluster.run(*argv)))
            struck = _noting(trial, fault)
            ended = cluster.run_until(
                argv,
                at_step(step, occurrence, struck, delay) if step else lambda _: None,
                after=None if step else delay,
                fault=None if step else struck,
            )
            clock.lap("command")
            at = time.monotonic()
            faults.end(kind)
            trial.hung = None in {each.status for each in (ended, *rivals)}
            trial.site_lost = not within(cluster.answers)
            clock.lap("site")
            trial.wrong += self._lead_back(command)
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
        ends = [cluster.run("deploy", *WAIT), cluster.run("deploy")]
        trial.status_wrong = not within(cluster.is_settled)
        within(lambda: not cluster.differences())
        trial.leftovers = cluster.differences()
        good = [each.status for each in ends] == [0, 0] and not ends[1].result.get("changed", True)
        trial.converged = good and not trial.leftovers
        if not good:
            trial.wrong.append(f"next deploys: {ends[0]}; {ends[1]}")

    def _prepare(self, command: ClusterCommand) -> None:
        cluster = self._cluster
        if command.changes:
            cluster.change()
        cluster.asked = [*cluster.servers] if command.third == "stays" else cluster.servers[:2]
        if command.third != "stays":
            cluster.run_well(*cluster.words(("servers", "drain", "{c}")))
            cluster.write_servers(cluster.servers[:2])
        if command.third == "joins":
            cluster.run_well("setup")
            cluster.write_servers(cluster.servers)
        for argv in command.before:
            cluster.run_well(*cluster.words(argv))
        if command.forget:
            cluster.servers[1].run("sh", "-c", command.forget)

    def _lead_back(self, command: ClusterCommand) -> list[str]:
        """Run what leads back to the state from which a deploy converges; those that end badly."""
        cluster = self._cluster
        ends = [cluster.run(*cluster.words(argv)) for argv in command.after]
        if command.third == "leaves":
            cluster.write_servers(cluster.servers)
            ends.append(cluster.run("setup"))
        return [f"afterwards: {ended}" for ended in ends if ended.status != 0]

    def _known_run(self, command: ClusterCommand) -> UndisturbedRun:
        """The steps of a command, which is run once to see them."""
        if command not in self._known:
            self._prepare(command)
            clean = self._cluster.run_well(*self._cluster.words(command.argv))
            if wrong := self._lead_back(command):
                raise RuntimeError("; ".join(wrong))
            self._cluster.run_well("deploy")
            self._known[command] = UndisturbedRun(clean.steps, clean.seconds)
        return self._known[command]


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
        commands: Names of the commands.
        seed: Of the moments.
        number: Of its process.
        suite: Of the servers.
        store: Of their engines.
    """

    count: int
    commands: Sequence[str]
    seed: int
    number: int = 0
    suite: str = SUITE
    store: Store = "overlay2"

    def trials(self) -> Iterator[Trial]:
        """Make them, in turn of each kind."""
        turns = [(KINDS[turn % len(KINDS)], turn) for turn in range(self.count)]
        yield from made(str(self), turns, partial(_cluster, self.commands, self.seed))

    def __str__(self) -> str:
        return "cluster"


@contextmanager
def _cluster(names: Sequence[str], seed: int) -> Iterator[ClusterTrials]:
    """A prepared cluster, and what makes trials in it."""
    name = run_name("fault-cluster")
    with (
        Lab(name) as lab,
        tempfile.TemporaryDirectory(prefix="ftl-faults-") as folder,
        ExitStack() as links,
    ):
        try:
            commands = [CLUSTER_NAMED[each] for each in names]
            yield ClusterTrials(Cluster(lab, Path(folder), name, links), commands, seed)
        finally:
            remove_images(name)
