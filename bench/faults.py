"""Faults under load: kills, cuts, full disks, engine crashes, power cuts, and their results.

    python -m bench.faults [--kills 300] [--cuts 60] [--full-disks 20] [--engine-restarts 20] [--reboots 10]
                           [--commands deploy,setup] [--suite bookworm] [--store overlay2] [--seed 0]
                           [--append FILE]

Each trial runs a command that changes the server, breaks something at one of its steps, and then checks: requests of
keep-alive clients without retry, one whole release after the fault, `ftl status`, and that the next `ftl deploy` leaves
the same objects as an undisturbed one, there and here, and nothing of others changed. One JSON object per flawed trial,
and one with the sums as the last line; exit status 1 if a promise was broken.

A full run takes hours. With --append each trial is a line of FILE as soon as it is done, and the sums are those of all
trials in FILE of this commit: it can be made in parts, on several engines. The seed is then the number of these trials,
so that no part repeats another.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lab import images, peers
from lab.server import docker
from lab.servers import Lab
from tests.faults.commands import NAMED
from tests.faults.secret_scan import planted
from tests.faults.trials import Kind, Link, Trial, Trials
from tests.faults.world import REGISTRY_USER, World
from tests.harness import ROOT

from bench.project import remove_images, run_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Known = dict[str, tuple[list[str], float]]
"""Steps and seconds of commands that ran undisturbed."""

DISK = 500_000_000
"""Bytes of the server's disk where it is to be filled."""

DEFAULTS: Mapping[Kind, int] = {
    "kill": 300,
    "cut": 60,
    "full_disk": 20,
    "engine_restart": 20,
    "reboot": 10,
}


SHARED: Sequence[Sequence[Kind]] = (("kill", "cut"), ("full_disk",), ("engine_restart", "reboot"))
"""Kinds whose trials are made on one server after each other."""

WITH_SETUP: Kind = "kill"
"""Kind whose server is prepared by `ftl setup`: there only `setup` is broken off."""


BY_HAND = ("sid",)
"""Suites that `ftl setup` refuses, since they change every day."""


def run(kinds: Sequence[Kind], given: argparse.Namespace, seed: int, known: Known) -> Iterator[Trial]:
    """Trials of some kinds, on a server of their own."""
    name = run_name(f"fault-{kinds[0].replace('_', '-')}")
    disk = DISK if "full_disk" in kinds else None
    setup = WITH_SETUP in kinds and given.suite not in BY_HAND
    login = planted()
    with Lab(name) as lab, tempfile.TemporaryDirectory(prefix="ftl-faults-") as folder:
        server = lab.server("server", suite=given.suite, store=given.store, disk=disk)
        users = {REGISTRY_USER: login}
        try:
            with Link(server) as link, peers.registry(lab, f"{name}.test", users=users) as registry:
                world = World(server, Path(folder), name, port=link.port, registry=registry, login=login)
                chosen = [NAMED[key] for key in given.commands if setup or key != "setup"]
                world.prepare(setup=setup, store=any(command.data is not None for command in chosen))
                apart = [docker("inspect", "-f", "{{.Id}}", registry.container).stdout.decode().strip()]
                for kind in kinds:
                    trials = Trials(world, chosen, seed=seed, link=link, known=known, apart=apart)
                    number = getattr(given, kind)
                    for at in range(number):
                        trial = trials.run(kind)
                        say = f"{kind} {at + 1} of {number}: {trial.moment} {trial.wrong or 'ok'} {trial.seconds}"
                        print(say, file=sys.stderr)
                        yield trial
        finally:
            for project in (name, f"{name}-web", f"{name}-y", f"{name}-s"):
                remove_images(project)


def summary(trials: list[dict[str, Any]]) -> dict[str, object]:
    """The sums, under the names that the issue of each promise uses."""
    recoveries = [trial["recovery"] for trial in trials] or [0.0]
    return {
        "type": "faults",
        **{f"{kind}s": sum(trial["kind"] == kind for trial in trials) for kind in get_args(Kind)},
        "requests": sum(trial["requests"] for trial in trials),
        "failed": sum(trial["failed"] for trial in trials),
        "site_lost": sum(trial["site_lost"] for trial in trials),
        "foreign_touched": sum(bool(trial["foreign"]) for trial in trials),
        "converged": round(sum(trial["converged"] for trial in trials) / max(1, len(trials)), 4),
        "leftovers": sum(bool(trial["leftovers"]) for trial in trials),
        "hangs": sum(trial["hung"] for trial in trials),
        "status_wrong": sum(trial["status_wrong"] for trial in trials),
        "secrets_found": sum(bool(trial["secrets"]) for trial in trials),
        "flawed": sum(bool(trial["wrong"]) for trial in trials),
        "recovery_median_s": round(statistics.median(recoveries), 1),
        "recovery_worst_s": round(max(recoveries), 1),
    }


def commit() -> str:
    """The commit of this checkout; with "-dirty" where files differ from it."""
    argv = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def earlier(file: Path | None, at: str) -> list[dict[str, Any]]:
    """Trials of a commit that a file holds."""
    if file is None or not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line for line in lines if line["commit"] == at]


def main() -> None:
    """Run it; exit status 1 if any trial was flawed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind, number in DEFAULTS.items():
        parser.add_argument(f"--{kind.replace('_', '-')}s", dest=kind, type=int, default=number)
    parser.add_argument("--commands", type=names, default=[*NAMED], help="names, with commas; default: all")
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie", "sid"))
    parser.add_argument("--store", default="overlay2", choices=("overlay2", "containerd"))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--append", type=Path)
    given = parser.parse_args()
    images.ensure("caddy", "busybox")
    at = commit()
    place = {"commit": at, "suite": given.suite, "store": given.store}
    trials = earlier(given.append, at)
    seed = len(trials) if given.seed is None else given.seed
    known: Known = {}
    flawed = 0
    for kinds in SHARED:
        wanted = [kind for kind in kinds if getattr(given, kind)]
        for trial in run(wanted, given, seed, known) if wanted else ():
            line = {**place, **asdict(trial)}
            trials.append(line)
            if given.append is not None:
                with given.append.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            if trial.wrong:
                flawed += 1
                print(json.dumps({"type": "flawed", **line}), flush=True)
    print(json.dumps({**place, **summary(trials)}), flush=True)
    sys.exit(bool(flawed))


def names(text: str) -> list[str]:
    """Names of commands, from the command line.

    Raises:
        argparse.ArgumentTypeError: There is no such command.
    """
    chosen = text.split(",")
    if unknown := set(chosen) - set(NAMED):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: none of {', '.join(NAMED)}")
    return chosen


if __name__ == "__main__":
    main()
