"""Seconds of a deploy that changes nothing: 30 services that share a build, against one.

    python -m bench.noop [--pairs 15]

Both projects are live on one server, and their deploys take turns: the ratio is the median of the pairs. The last line
is one JSON object; the exit status is 1 where the limit is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from lab import images
from lab.servers import Lab

from bench.link import DOCKERFILE
from bench.project import run_name, temporary_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.servers import Server
    from tests.harness import Project

SERVICES = 30
LIMIT = 1.3
PAIRS = 15


@dataclass(frozen=True, slots=True)
class Noop:
    """Seconds of deploys without a change, in pairs: of one service, and of SERVICES."""

    pairs: Sequence[tuple[float, float]]

    @property
    def ratio(self) -> float:
        """The median of the pairs: SERVICES against one."""
        return median(many / one for one, many in self.pairs)

    def summary(self) -> dict[str, float]:
        """Fields of a summary line."""
        return {
            "noop_ratio_30": round(self.ratio, 3),
            "noop_seconds_1": round(median(one for one, _ in self.pairs), 3),
            "noop_seconds_30": round(median(many for _, many in self.pairs), 3),
        }


def measure(server: Server, name: str, pairs: int = PAIRS) -> Noop:
    """Deploy two projects, then both again and again without a change, in turn."""
    single, several = f"{name}-1", f"{name}-{SERVICES}"
    with temporary_project(single) as one, temporary_project(several) as many:
        for project, project_name, count in ((one, single, 1), (many, several, SERVICES)):
            project.write(files(server, project_name, count))
            project.run("deploy", "--json", timeout=600).ok()
        return Noop([(_seconds(one), _seconds(many)) for _ in range(pairs)])


def files(server: Server, name: str, count: int) -> dict[str, object]:
    """A project of `count` services with equal builds."""
    services = [{"name": f"s{number}", "build": "app", "port": 8000} for number in range(1, count + 1)]
    config = {
        "project": {"name": name, "domain": f"{name}.example.com"},
        "server": server.section(),
        "services": [{**services[0], "routes": ["/"]}, *services[1:]],
        "proxy": {"tls": "off"},
    }
    return {"ftl.yaml": config, "app/Dockerfile": DOCKERFILE}


def _seconds(project: Project) -> float:
    began = time.monotonic()
    outcome = project.run("deploy", "--json").ok()
    seconds = time.monotonic() - began
    if outcome.result["changed"]:
        raise SystemExit(f"this deploy was to change nothing:\n{outcome}")
    return seconds


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=PAIRS, help="deploys of each project")
    given = parser.parse_args()
    images.ensure("caddy", "busybox")
    name = run_name("noop")
    with Lab(name) as lab:
        noop = measure(lab.server("server"), name, given.pairs)
    ok = noop.ratio <= LIMIT
    print(json.dumps({"type": "summary", "ok": ok, **noop.summary()}), flush=True)
    sys.exit(not ok)


if __name__ == "__main__":
    main()
