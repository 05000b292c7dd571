"""Worlds of the fault bench, each with servers of its own and a share of the trials."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import lcm
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Protocol

from lab import peers
from lab.server import docker
from lab.servers import Lab
from tests.faults.builder import forwarded
from tests.faults.commands import NAMED, PREVIEW
from tests.faults.kinds import Kind, Link
from tests.faults.sandboxes import remove_sandbox
from tests.faults.secret_scan import planted
from tests.faults.sources import REGISTRY_USER
from tests.faults.trials import Trial, Trials
from tests.faults.undisturbed import KnownRuns
from tests.faults.world import World

from bench.project import remove_images, run_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from multiprocessing.queues import Queue

    from lab.servers import Store

DISK = 500_000_000
"""Bytes of the server's disk where it is to be filled."""

SHARED: Sequence[Sequence[Kind]] = (
    ("kill", "cut", "slow_link", "rival"),
    ("full_disk",),
    ("engine_restart", "proxy_kill", "reboot"),
)
"""Kinds whose trials are made on one server after each other."""

WITH_SETUP = SHARED[0]
"""Kinds whose server is prepared by `ftl setup`: there only `setup` is broken off."""

BY_HAND = ("sid",)
"""Suites that `ftl setup` refuses, since they change every day."""

IN_ITS_PLACE = "deploy"
"""What such a world tries where it is the turn of `setup`."""

ATTEMPTS = 3
"""Moments of a turn's command that are tried until one hits."""

MOST_LOST = 3
"""Worlds in a row that may be lost by trials that could not be made."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one world makes of all trials.

    Attributes:
        number: Of this world, from 0.
        worlds: How many there are.
        suite: Of its servers.
        store: Of its servers' engines.
        commands: Names of the commands.
        numbers: Trials of each kind, of all worlds together.
        seed: Of the order and the moments.
        known: Folder in which the worlds remember undisturbed runs.
    """

    number: int
    worlds: int
    suite: str
    store: Store
    commands: Sequence[str]
    numbers: Mapping[Kind, int]
    seed: int
    known: Path

    def turns(self, kinds: Sequence[Kind]) -> list[tuple[Kind, int]]:
        """Its turns: every command comes to every world, and no turn to two of them."""
        return [(kind, turn) for kind in kinds for turn in self._turns_of(kind)]

    def _turns_of(self, kind: Kind) -> Iterator[int]:
        names = self.names(kind)
        if not names:
            return
        period = lcm(self.worlds, len(names))  # without the shift each would repeat its commands
        for turn in range(self.numbers[kind]):
            if (turn + turn // period) % self.worlds == self.number:
                yield turn

    def names(self, kind: Kind) -> list[str]:
        """Names of the commands that are tried with a kind, the same number of them in every world."""
        names = [name for name in self.commands if kind == "kill" or not NAMED[name].local]
        if kind == "rival":  # two backups have files of their own
            names = [name for name in names if NAMED[name].data is None]
        if kind not in WITH_SETUP:
            return [name for name in names if name != "setup"]
        if self.suite in BY_HAND:
            return [IN_ITS_PLACE if name == "setup" else name for name in names]
        return names

    def trials(self) -> Iterator[Trial]:
        """Make them; what one has left behind is not to count again with the next, which gets a new world.

        Raises:
            Exception: Several worlds in a row could not be prepared, or no trial be made in them.
        """
        for kinds in SHARED:
            yield from made(str(self), self.turns(kinds), partial(self._world, kinds))

    def __str__(self) -> str:
        return f"{self.number + 1}/{self.worlds} {self.suite} {self.store}"

    @contextmanager
    def _world(self, kinds: Sequence[Kind]) -> Iterator[Trials]:
        """A prepared world, and what makes trials in it."""
        name = run_name(f"fault-{kinds[0].replace('_', '-')}")
        names = {kind: self.names(kind) for kind in kinds if self.numbers[kind]}
        disk = DISK if "full_disk" in kinds else None
        login = planted()
        with Lab(name) as lab, tempfile.TemporaryDirectory(prefix="ftl-faults-") as folder:
            server = lab.server("server", suite=self.suite, store=self.store, disk=disk)
            chosen = {kind: [NAMED[key] for key in keys] for kind, keys in names.items()}
            projects = {command.project for each in chosen.values() for command in each}
            builder = lab.server("builder", suite=self.suite) if "builder" in projects else None
            users = {REGISTRY_USER: login}
            try:
                with Link(server) as link, peers.registry(lab, f"{name}.test", users=users) as registry:
                    world = World(server, Path(folder), name, port=link.port, registry=registry, login=login)
                    world.prepare(
                        setup=any("setup" in keys for keys in names.values()),
                        store="store" in projects,
                        kept="kept" in projects,
                    )
                    apart = docker("inspect", "-f", "{{.Id}}", registry.container).stdout.decode().split()
                    known = KnownRuns(self.known)
                    with forwarded(builder, world.builder):
                        yield Trials(world, chosen, seed=self.seed, link=link, known=known, apart=apart)
            finally:
                remove_sandbox(name)
                for ending in ("", "-web", "-y", f"-y-{PREVIEW}", "-s", "-k"):
                    remove_images(f"{name}{ending}")


class MakesTrials(Protocol):
    """What makes trials in a world."""

    def run(self, kind: Kind, turn: int, attempt: int) -> Trial:
        """One fault, and the checks."""
        ...


def made(
    name: str, turns: list[tuple[Kind, int]], world: Callable[[], AbstractContextManager[MakesTrials]]
) -> Iterator[Trial]:
    """Trials of these turns, each attempt at one; a world in which something has stayed is left for a new one.

    Raises:
        Exception: Several worlds in a row could not be prepared, or no trial be made in them.
    """
    lost = attempt = 0
    while turns:
        kind, turn = turns[0]
        is_ready = False
        try:
            with world() as trials:
                is_ready = True
                while turns:
                    kind, turn = turns[0]
                    trial = trials.run(kind, turn, attempt)
                    lost = 0
                    is_done = trial.hit or attempt + 1 == ATTEMPTS
                    attempt = 0 if is_done else attempt + 1
                    del turns[:is_done]
                    yield trial
                    if not trial.converged:
                        break
        except Exception as error:
            lost += 1
            if lost > MOST_LOST:
                raise
            text = f"{type(error).__name__}: {error}"
            if is_ready:
                attempt = 0
                del turns[0]
                wrong = f"the trial could not be made: {text}"
                yield Trial(kind, "", f"turn {turn}", converged=False, wrong=[wrong])
            else:
                print(f"{name}: no world, because: {text}", file=sys.stderr)


class MakesShare(Protocol):
    """A share of the trials, which one process makes.

    Attributes:
        number: Of this process, from 0.
        suite: Of its servers.
        store: Of its servers' engines.
    """

    @property
    def number(self) -> int: ...
    @property
    def suite(self) -> str: ...
    @property
    def store(self) -> Store: ...

    def trials(self) -> Iterator[Trial]:
        """Make them."""
        ...


def side_by_side(shares: Sequence[MakesShare]) -> Iterator[tuple[MakesShare, Trial]]:
    """Trials of several worlds as they are made, each world in a process of its own.

    One that ends before its time makes fewer; the others go on.
    """
    context = multiprocessing.get_context("spawn")
    results: Queue[tuple[int, Trial]] = context.Queue()
    worlds = [context.Process(target=_make, args=(share, results)) for share in shares]
    for world in worlds:
        world.start()
    try:
        while True:
            at_work = any(world.is_alive() for world in worlds)
            try:
                number, trial = results.get(timeout=1)
            except Empty:
                if not at_work:
                    break
            else:
                yield shares[number], trial
    finally:
        for world in worlds:
            world.join()
    for share, world in zip(shares, worlds, strict=True):
        if world.exitcode:
            print(f"{share}: ended before its time", file=sys.stderr)


def _make(share: MakesShare, results: Queue[tuple[int, Trial]]) -> None:
    for trial in share.trials():
        print(f"{share}: {trial.kind} {trial.moment} {trial.wrong or 'ok'} {trial.seconds}", file=sys.stderr)
        results.put((share.number, trial))
