"""Costs of commands beyond their work: round trips, starting time, memory, idle services.

    python -m bench.deploy [--runs 5] [--pairs 31] [--megabytes 1000]

Round trips and wall time are measured as `bench/link.py` says, starting times as `bench/startup.py`, memory as
`bench/memory.py`, services with nothing to do as `bench/noop.py`, a changed line of code (no limit) as
`bench/code_change.py`. The last line is one JSON object with the figures and
their limits, and the exit status is 1 where a limit is missed.
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

from bench import code_change, noop, startup
from bench.link import KEPT, Commands, Far, Trips
from bench.memory import deploy_large
from bench.project import run_name, temporary_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.servers import Server
    from tests.harness import Project

SHOP = Path(__file__).parent.parent / "examples" / "shop"
SERVICES = (1, 10)

ROUND_TRIPS = 8
SECOND_COMMAND = 0.35
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


@dataclass(frozen=True, slots=True)
class Distance:
    """What a longer way to the server costs.

    Attributes:
        connection: Round trips of the SSH connection.
        deploys: Of one service, and of ten.
        commands: A first and a second command, with one service.
    """

    connection: int
    deploys: Sequence[Trips]
    commands: Commands


async def at_a_distance(server: Server, name: str, runs: int) -> Distance:
    """Measure through a relay."""
    async with Relay(("127.0.0.1", server.port)) as relay:
        deploys = []
        for services in SERVICES:
            project_name = f"{name}-{services}"
            with temporary_project(project_name) as project:
                far = Far(server, relay, project, project_name)
                deploys.append(await far.deploys(services, runs))
                if services == SERVICES[0]:
                    commands = await far.commands(runs)
                connection = await far.connection(runs)
                say(f"measured {services} services")
        return Distance(connection, deploys, commands)


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


def show(far: Distance) -> None:
    """Print the wall times as tables."""
    felt = list(far.deploys[0].felt)
    distances = "".join(f"{distance * 1000:>9.0f} ms" for distance in felt)
    print(f"{'services':>8}{distances}   slope   round trips   of these the connection")
    for deploys in far.deploys:
        seconds = "".join(f"{deploys.felt[distance]:>10.2f} s" for distance in felt)
        print(f"{deploys.services:>8}{seconds}{deploys.slope:>8.1f}{deploys.counted:>14}{far.connection:>26}")
    commands = far.commands
    print(
        f"ftl status at {KEPT * 1000:.0f} ms: {commands.first:.2f} s first, {commands.second:.2f} s second,",
        end=" ",
    )
    print(f"{commands.trips} round trips")


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
        far = asyncio.run(at_a_distance(server, name, given.runs))
        show(far)
        with temporary_project(name) as project:
            starts = startup.ratios(project, shop(project), given.pairs)
            say("measured the starts")
            memory = deploy_large(server, project, name, given.megabytes)
            say("measured the memory")
        without_change = noop.measure(server, f"{name}-noop")
        say("measured deploys without a change")
        changes = code_change.measure(server, f"{name}-change")
    after = [deploys.counted - far.connection for deploys in far.deploys]
    figures = [
        *(
            Figure(f"round_trips_{deploys.services}", trips, ROUND_TRIPS)
            for deploys, trips in zip(far.deploys, after, strict=True)
        ),
        Figure("round_trips_more_with_10", abs(after[1] - after[0]), 0),
        Figure("second_command_seconds", round(far.commands.second, 3), SECOND_COMMAND),
        Figure("help_ratio", round(starts["help"], 2), HELP),
        Figure("validate_ratio", round(starts["validate"], 2), VALIDATE),
        Figure("peak_memory_bytes", memory.peak, MEMORY),
        Figure("noop_ratio_30", round(without_change.ratio, 3), noop.LIMIT),
    ]
    for figure in figures:
        print(f"{figure.name:<28}{figure.value:>14,}   at most {figure.limit:>14,}")
    fields: dict[str, object] = {
        **without_change.summary(),
        **changes.summary(),
        **{figure.name: figure.value for figure in figures},
        "limits": {figure.name: figure.limit for figure in figures},
        "first_command_seconds": round(far.commands.first, 3),
        "second_command_round_trips": far.commands.trips,
        "connection_round_trips": far.connection,
        "deploys": [
            {
                "services": deploys.services,
                "seconds": {f"{at * 1000:.0f}": round(value, 3) for at, value in deploys.felt.items()},
                "slope": round(deploys.slope, 2),
                "round_trips_in_all": deploys.counted,
            }
            for deploys in far.deploys
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
