"""Faults under load: kills, cuts, two at once, full disks, crashes, power cuts; results.

    python -m bench.faults [--kills 300] [--cuts 60] [--slow-links 10] [--rivals 15] [--full-disks 20]
                           [--engine-restarts 20] [--proxy-kills 10] [--reboots 10] [--clusters 14]
                           [--commands deploy,setup] [--cluster-commands drain,setup-join]
                           [--suite bookworm] [--store overlay2] [--worlds 1] [--seed 0]
                           [--append FILE] [--fuzz 60]

Each trial runs a command that changes the server, breaks something at one of its steps, and then checks: requests of
keep-alive clients without retry, one whole release after the fault, `ftl status`, and that the next `ftl deploy` leaves
the same objects as an undisturbed one, there and here, and nothing of others changed. One JSON object per flawed trial,
and one with the sums as the last line; exit status 1 if a promise was broken.

With --worlds 3 three servers with projects and clients of their own share the same trials: most of the time of one is
waiting. `--suite bookworm,trixie,sid` gives each another engine. --clusters are made last, on three servers.

With --append each trial is a line of FILE as soon as it is done, and the sums are those of all trials in FILE of this
commit: a run can be made in parts. The seed is then the number of these trials, so that no part repeats another.

A trial whose moment came when the command had ended is not counted, and repeated at another moment.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lab import images
from tests.faults.kinds import Kind
from tests.harness import ROOT

from bench.faults.clusters import ClusterShare
from bench.faults.options import parse
from bench.faults.worlds import Share, side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping


def summary(trials: list[dict[str, Any]]) -> dict[str, object]:
    """The sums, under the names that the issue of each promise uses."""
    recoveries = [trial["recovery"] for trial in trials] or [0.0]
    return {
        "type": "faults",
        **{
            f"{kind}s": sum(trial["hit"] for trial in trials if trial["kind"] == kind)
            for kind in get_args(Kind)
        },
        "clusters": sum(trial["hit"] and trial["cluster"] for trial in trials),
        "missed": sum(not trial["hit"] for trial in trials),
        "engines": sorted({f"{trial['suite']} {trial['store']}" for trial in trials}),
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
        "locked_worst_s": max((trial["locked"] for trial in trials), default=0.0),
    }


def fuzzed(seconds: float) -> Mapping[str, object]:
    """Inputs that were given to the parsers, and how many of these crashed; None where nothing can fuzz here."""
    nothing = {"fuzz_inputs": None, "fuzz_crashes": None}
    if not seconds:
        return nothing
    argv = (sys.executable, "-m", "tests.fuzz", "--seconds", str(seconds))
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    last = (done.stdout.splitlines() or [""])[-1]
    if not last.startswith("{"):
        print(f"nothing was fuzzed: {last}", file=sys.stderr)
        return nothing
    found = json.loads(last)
    return {name: found[name] for name in nothing}


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
    """Run it; exit status 1 if a trial was flawed or not made, or an input crashed a parser."""
    given = parse(__doc__)
    at = commit()
    trials = earlier(given.append, at)
    fuzz = fuzzed(given.fuzz)
    made = flawed = 0
    images.ensure("caddy", "busybox")
    with tempfile.TemporaryDirectory(prefix="ftl-faults-known-") as known:
        shares = [
            Share(
                number=number,
                worlds=len(given.engines),
                suite=suite,
                store=store,
                commands=given.commands,
                numbers=given.numbers,
                seed=len(trials) if given.seed is None else given.seed,
                known=Path(known),
            )
            for number, (suite, store) in enumerate(given.engines)
        ]
        cluster = ClusterShare(
            given.clusters, given.cluster_commands, len(trials) if given.seed is None else given.seed
        )
        for share, trial in chain(side_by_side(shares), side_by_side([cluster])):
            several = {"cluster": isinstance(share, ClusterShare)}
            line = {"commit": at, "suite": share.suite, "store": share.store, **several, **asdict(trial)}
            trials.append(line)
            made += trial.hit
            if given.append is not None:
                with given.append.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            if trial.wrong:
                flawed += 1
                print(json.dumps({"type": "flawed", **line}), flush=True)
    print(json.dumps({"commit": at, **summary(trials), **fuzz}), flush=True)
    sys.exit(bool(flawed or fuzz["fuzz_crashes"] or made < sum(given.numbers.values()) + given.clusters))


if __name__ == "__main__":
    main()
