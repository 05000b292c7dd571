"""Operations after the deploy: lost requests and lines, seconds, bytes.

    python -m bench.operations [--rounds 3] [--requests 20000] [--deploys 30] [--seconds 20] [--megabytes 1000]
                               [--parts changes,reading,following,pipes,disk] [--suite bookworm] [--store overlay2]

The parts are described in `changes.py`, `reading.py`, `following.py` and `pipes.py`. The last line is one JSON object;
the exit status is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from lab import images
from lab.servers import Lab

from bench.operations.changes import Changes
from bench.operations.following import lines_lost
from bench.operations.pipes import pipe_speed
from bench.operations.reading import reading
from bench.project import run_name, temporary_project

if TYPE_CHECKING:
    from lab.servers import Server

PARTS = ("changes", "reading", "following", "pipes", "disk")

AT_MOST = {
    "rollback_ratio": 0.33,
    "logs_seconds": 1.0,
    "lines_dropped": 0,
    "lines_twice": 0,
    "exec_round_trips": 3,
    "disk_growth": 1.1,
}
AT_LEAST = {"pipe_ratio": 0.8}


def broken(result: dict[str, Any]) -> list[str]:
    """Promises that a result does not keep."""
    over = [name for name, limit in AT_MOST.items() if result.get(name, 0) > limit]
    under = [name for name, limit in AT_LEAST.items() if result.get(name, limit) < limit]
    failed = [name for name, value in result.items() if name.endswith("_failed_requests") and value]
    return over + under + failed


def measure(server: Server, name: str, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of all parts that are asked for."""
    parts = given.parts.split(",")
    result: dict[str, Any] = {}
    if {"changes", "disk"} & {*parts}:
        with temporary_project(name) as project:
            changes = Changes(project, name, server)
            changes.deploy()
            if "changes" in parts:
                result |= changes.ratio(given.rounds)
                result |= changes.under_load("rollback", [("rollback",)], given.requests)
                result |= changes.under_load("restart", [("restart",)], given.requests)
                result |= changes.under_load(
                    "scale", [("scale", "web=4"), ("scale", "web=1")], given.requests
                )
            if "disk" in parts:
                result |= changes.growth(given.deploys)
            project.run("remove", "--volumes", "--yes")
    if "reading" in parts:
        with temporary_project(f"{name}-far") as project:
            result |= asyncio.run(reading(server, project, f"{name}-far"))
    if "following" in parts:
        with temporary_project(f"{name}-lines") as project:
            result |= lines_lost(server, project, f"{name}-lines", given.seconds)
    if "pipes" in parts:
        with temporary_project(f"{name}-pipe") as project:
            result |= pipe_speed(server, project, f"{name}-pipe", given.megabytes)
    return result


def main() -> None:
    """Run it; exit status 1 if a promise was broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="deploys and rollbacks that are timed")
    parser.add_argument("--requests", type=int, default=20_000, help="at least, for each command")
    parser.add_argument("--deploys", type=int, default=30, help="for disk_growth")
    parser.add_argument("--seconds", type=float, default=20.0, help="of logs, for lines_dropped")
    parser.add_argument("--megabytes", type=int, default=1000, help="through pipes")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of them, with commas")
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie", "sid"))
    parser.add_argument("--store", default="overlay2", choices=("overlay2", "containerd"))
    given = parser.parse_args()
    images.ensure("caddy", "python", "busybox")
    name = run_name("operations")
    with Lab(name) as lab:
        server = lab.server("server", suite=given.suite, store=given.store)
        result = {"type": "operations", "suite": given.suite, "store": given.store}
        result |= measure(server, name, given)
    missed = broken(result)
    for promise in missed:
        print(f"broken: {promise}", file=sys.stderr)
    print(json.dumps(result | {"ok": not missed}), flush=True)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
