"""What a deploy costs beyond its work: round trips, the time that Python takes to start, memory.

    python -m bench.deploy [--runs 5] [--pairs 31] [--megabytes 1000]

Round trips and wall time are measured as `bench/link.py` says, starting times as `bench/startup.py`, memory as
`bench/memory.py`. The last line is one JSON object with the figures and their limits, and the exit status is 1 where
a limit is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import images
from lab.relay import Relay
from lab.servers import Lab

from bench import startup
from bench.link import Far, Trips
from bench.memory import deploy_large
from bench.project import run_name, temporary_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.servers import Server
    from tests.harness import Project

SHOP = Path(__file__).parent.parent / "examples" / "shop"
SERVICES = (1, 10)

ROUND_TRIPS = 8
HELP = 5.0
VALIDATE = 15.0
MEMORY = 120e6


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and what it may be at most."""

    name: str
    value: float
    limit: float

    @property
    def kept(self) -> bool:
        return self.value <= self.limit


async def trips(server: Server, name: str, runs: int) -> tuple[int, list[Trips]]:
    """Round trips of the connection, and of deploys of one service and of ten."""
    async with Relay(("127.0.0.1", server.port)) as relay:
        found = []
        for services in SERVICES:
            one = f"{name}-{services}"
            with temporary_project(one) as project:
                far = Far(server, relay, project, one)
                found.append(await far.deploys(services, runs))
                connection = await far.connection(runs)
                say(f"measured {services} services")
        return connection, found


def shop(project: Project) -> Path:
    """The example's whole ftl.yaml, with all that it needs to be valid."""
    copy = project.folder / "shop"
    shutil.copytree(SHOP, copy)
    settings = {"DOMAIN": "shop.example.com", "EMAIL": "you@example.com"}
    secrets = dict.fromkeys(("POSTGRES_PASSWORD", "ADMIN_TOKEN"), "x")
    (copy / ".env").write_text("".join(f"{key}={value}\n" for key, value in {**settings, **secrets}.items()))
    return copy


def say(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)


def show(measured: Sequence[Trips], connection: int) -> None:
    """The wall times as a table."""
    felt = list(measured[0].felt)
    distances = "".join(f"{distance * 1000:>9.0f} ms" for distance in felt)
    print(f"{'services':>8}{distances}   slope   round trips   of these the connection")
    for one in measured:
        seconds = "".join(f"{one.felt[distance]:>10.2f} s" for distance in felt)
        print(f"{one.services:>8}{seconds}{one.slope:>8.1f}{one.counted:>14}{connection:>26}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="deploys at each distance")
    parser.add_argument("--pairs", type=int, default=31, help="starts of each command")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the large image")
    given = parser.parse_args()
    images.ensure("caddy", "busybox")
    name = run_name("deploy")
    with Lab(name) as lab:
        server = lab.server("server")
        connection, measured = asyncio.run(trips(server, name, given.runs))
        show(measured, connection)
        with temporary_project(name) as project:
            starts = startup.ratios(project, shop(project), given.pairs)
            say("measured the starts")
            memory = deploy_large(server, project, name, given.megabytes)
    after = [one.counted - connection for one in measured]
    figures = [
        *(
            Figure(f"round_trips_{one.services}", trips, ROUND_TRIPS)
            for one, trips in zip(measured, after, strict=True)
        ),
        Figure("round_trips_more_with_10", abs(after[1] - after[0]), 0),
        Figure("help_ratio", round(starts["help"], 2), HELP),
        Figure("validate_ratio", round(starts["validate"], 2), VALIDATE),
        Figure("peak_memory_bytes", memory.peak, MEMORY),
    ]
    for figure in figures:
        print(f"{figure.name:<28}{figure.value:>14,}   at most {figure.limit:>14,}")
    fields: dict[str, object] = {
        **{figure.name: figure.value for figure in figures},
        "limits": {figure.name: figure.limit for figure in figures},
        "connection_round_trips": connection,
        "deploys": [
            {
                "services": one.services,
                "seconds": {f"{at * 1000:.0f}": round(value, 3) for at, value in one.felt.items()},
                "slope": round(one.slope, 2),
                "round_trips_in_all": one.counted,
            }
            for one in measured
        ],
        "image_bytes": memory.image,
        "bytes_sent": memory.sent,
        "peak_memory_children_bytes": memory.children,
    }
    missed = [figure.name for figure in figures if not figure.kept]
    print(json.dumps({"type": "deploy", "ok": not missed, "missed": missed, **fields}), flush=True)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
