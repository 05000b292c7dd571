"""Faults under load: kills, cuts, full disks, engine crashes, power cuts, and their results.

    python -m bench.faults [--kills 300] [--cuts 60] [--full-disks 20] [--engine-restarts 20] [--reboots 10]
                           [--suite bookworm] [--store overlay2] [--seed 0]

Each trial changes the app, runs a command that changes the server, breaks something at one of its steps, and then
checks: requests of keep-alive clients without retry, one whole release after the fault, `ftl status`, and that the
next `ftl deploy` leaves the same objects as an undisturbed one, there and here, and nothing of others changed. One JSON
object per flawed trial, and one with the sums as the last line; exit status 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lab import images
from lab.servers import Lab
from tests.faults.trials import Kind, Link, Trial, Trials
from tests.faults.world import World

from bench.project import remove_images, run_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMMANDS: list[tuple[str, ...]] = [
    ("deploy",),
    ("rollback",),
    ("restart",),
    ("scale", "web=4"),
    ("scale", "web=1"),
    ("build",),
]

DISK = 500_000_000
"""Bytes of the server's disk where it is to be filled."""

DEFAULTS: Mapping[Kind, int] = {
    "kill": 300,
    "cut": 60,
    "full_disk": 20,
    "engine_restart": 20,
    "reboot": 10,
}


def run(kind: Kind, number: int, given: argparse.Namespace) -> Iterator[Trial]:
    """Trials of one kind, on a server of their own."""
    name = run_name(f"fault-{kind.replace('_', '-')}")
    disk = DISK if kind == "full_disk" else None
    with Lab(name) as lab, tempfile.TemporaryDirectory(prefix="ftl-faults-") as folder:
        server = lab.server("server", suite=given.suite, store=given.store, disk=disk)
        try:
            with Link(server) as link:
                world = World(server, Path(folder), name, port=link.port)
                world.prepare()
                trials = Trials(world, COMMANDS, seed=given.seed, link=link)
                for at in range(number):
                    trial = trials.run(kind)
                    print(
                        f"{kind} {at + 1} of {number}: {trial.moment} {trial.wrong or 'ok'}", file=sys.stderr
                    )
                    yield trial
        finally:
            remove_images(name)
            remove_images(f"{name}-web")


def summary(trials: list[Trial]) -> dict[str, object]:
    """The sums, under the names that the issue of each promise uses."""
    recoveries = [trial.recovery for trial in trials] or [0.0]
    return {
        "type": "faults",
        **{f"{kind}s": sum(trial.kind == kind for trial in trials) for kind in get_args(Kind)},
        "requests": sum(trial.requests for trial in trials),
        "failed": sum(trial.failed for trial in trials),
        "site_lost": sum(trial.site_lost for trial in trials),
        "foreign_touched": sum(bool(trial.foreign) for trial in trials),
        "converged": round(sum(trial.converged for trial in trials) / max(1, len(trials)), 4),
        "leftovers": sum(bool(trial.leftovers) for trial in trials),
        "hangs": sum(trial.hung for trial in trials),
        "status_wrong": sum(trial.status_wrong for trial in trials),
        "secrets_found": sum(bool(trial.secrets) for trial in trials),
        "recovery_median_s": round(statistics.median(recoveries), 1),
        "recovery_worst_s": round(max(recoveries), 1),
    }


def main() -> None:
    """Run it; exit status 1 if any trial was flawed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for kind, number in DEFAULTS.items():
        parser.add_argument(f"--{kind.replace('_', '-')}s", dest=kind, type=int, default=number)
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie", "sid"))
    parser.add_argument("--store", default="overlay2", choices=("overlay2", "containerd"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    images.ensure("caddy", "busybox")
    trials = []
    for kind in DEFAULTS:
        for trial in run(kind, getattr(given, kind), given) if getattr(given, kind) else ():
            trials.append(trial)
            if trial.wrong:
                print(json.dumps({"type": "flawed", **asdict(trial)}), flush=True)
    print(json.dumps({"suite": given.suite, "store": given.store, **summary(trials)}), flush=True)
    sys.exit(any(trial.wrong for trial in trials))


if __name__ == "__main__":
    main()
