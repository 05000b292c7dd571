"""Several servers: lost requests, seconds, bytes and round trips of a cluster of three.

    python -m bench.cluster [--parts upload,deploy,trips,switch,loss,returned,partition,migrate] [--rounds 10]
                            [--megabytes 100] [--requests 100000] [--suites trixie,trixie,trixie] [--append FILE]

The parts are described in `costs.py`, `losses.py` and `migration.py`. Clients keep their connections alive and never
retry. The last line is one JSON object; the exit status is 1 if a limit is missed. Where a part fails, it has the
figures of those before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import images
from lab.servers import Lab

from bench.cluster import costs, losses
from bench.cluster.migration import migrate
from bench.cluster.stage import Stage, say
from bench.project import run_name, temporary_project

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = ("upload", "deploy", "trips", "switch", "loss", "returned", "partition", "migrate")
AGAINST_ONE = {"upload", "deploy", "trips"}

AT_MOST = {
    "switch_failed": 0,
    "loss_failed": 10,
    "returned_old": 0,
    "upload_ratio": 1.1,
    "deploy_ratio": 1.5,
    "partition_failed": 0,
    "migrate_failed": 0,
}


def missed(result: dict[str, Any]) -> list[str]:
    """Figures over their limits; a figure that was not measured misses none."""
    over = [name for name, limit in AT_MOST.items() if result.get(name, 0) > limit]
    if result.get("round_trips", 0) > result.get("round_trips_one", 0):
        over.append("round_trips")
    return over


def measure(
    lab: Lab, name: str, parts: Sequence[str], given: argparse.Namespace, result: dict[str, Any]
) -> None:
    """Add the figures of the parts that are asked for to the result, each when it is known."""
    suites = given.suites.split(",")
    if set(parts) - {"migrate"}:
        servers = lab.cluster(*suites)
        with temporary_project(name) as project:
            three = Stage(project, name, servers)
            three.run("setup", "--json")
            three.deploy("0")
            say("set up three servers")
            if AGAINST_ONE & set(parts):
                result |= _against_one(lab, three, parts, given)
            if "switch" in parts:
                result |= losses.switch(three, given.rounds, given.requests)
            for part in (losses.loss, losses.returned, losses.partition):
                if part.__name__ in parts:
                    result |= part(three, max(1, given.rounds // 3))
        for server in servers:
            lab.remove(server.name)
    if "migrate" in parts:
        servers = lab.cluster(*suites, stem="m")
        moved = f"{name}-m"
        with temporary_project(moved) as project:
            result |= migrate(project, moved, servers, max(1, given.rounds // 5))


def _against_one(lab: Lab, three: Stage, parts: Sequence[str], given: argparse.Namespace) -> dict[str, Any]:
    """The parts that compare three servers with one."""
    result: dict[str, Any] = {}
    name = f"{three.name}-1"
    server = lab.server("single", suite=given.suites.partition(",")[0])
    with temporary_project(name) as project:
        one = Stage(project, name, [server], is_cluster=False)
        one.deploy("0")
        if "upload" in parts:
            result |= costs.upload(three, one, given.megabytes, max(1, given.rounds // 3))
        if "deploy" in parts:
            result |= costs.deploy(three, one, given.rounds)
        if "trips" in parts:
            result |= costs.trips(three, one, max(1, given.rounds // 3))
    lab.remove(server.name)
    return result


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="some of them, separated by commas")
    parser.add_argument("--rounds", type=int, default=10, help="deploys; losses are a third of it")
    parser.add_argument("--megabytes", type=int, default=100, help="size of the new layer of a cold deploy")
    parser.add_argument("--requests", type=int, default=100_000, help="least number for `switch`")
    parser.add_argument("--suites", default="trixie,trixie,trixie", help="Debian's suite of each server")
    parser.add_argument("--append", type=Path, metavar="FILE", help="append the last line to this file")
    given = parser.parse_args()
    parts = given.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    images.ensure("caddy", "busybox")
    name = run_name("cluster")
    began = time.monotonic()
    result: dict[str, Any] = {}
    stopped = ""
    with Lab(name) as lab:
        try:
            measure(lab, name, parts, given, result)
        except (AssertionError, SystemExit, OSError) as error:  # a command failed, or something took too long
            stopped = f"{error}"[-2000:] or repr(error)
            say(stopped)
    over = missed(result)
    seconds = round(time.monotonic() - began)
    line = json.dumps(
        {
            "type": "cluster",
            "ok": not (over or stopped),
            "missed": over,
            **({"stopped_by": stopped} if stopped else {}),
            "suites": given.suites,
            **result,
            "seconds": seconds,
        }
    )
    if given.append is not None:
        with given.append.open("a") as file:
            file.write(line + "\n")
    print(line, flush=True)
    sys.exit(bool(over or stopped))


if __name__ == "__main__":
    main()
