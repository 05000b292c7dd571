"""Rollback, restart and scale under load; disk use after many deploys.

    python -m bench.operations [--rounds 3] [--requests 20000] [--deploys 30] [--suite bookworm] [--store overlay2]

Clients keep their connections alive and never retry: 16 send GET and POST while one command after the other changes the
live release. A request has failed if its connection broke or its status was not 200. `rollback_ratio` is the time of a
rollback, divided by that of the deploy that it undoes: a build and a changed layer of 20 MB. `disk_growth` compares the
bytes on the server and here after all deploys with those after a third of them. The last line is one JSON object; the
exit status is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import images
from lab.load import Load, Request, Target
from lab.servers import Lab

from bench.project import run_name, temporary_project
from ftl.engine.api import Engine
from ftl.engine.local import local_url

if TYPE_CHECKING:
    from lab.servers import Server
    from tests.harness import Project

LAB = Path(images.__file__).parent
CLIENTS = 16
PAUSE = 0.01
CHANGE = 20_000_000
"""Bytes of the layer that each deploy changes."""

LIMITS = {"rollback_ratio": 0.33, "disk_growth": 1.1}

DOCKERFILE = """\
FROM python-base
WORKDIR /app
COPY lab lab
COPY blob version ./
ENV PORTS=8000
CMD ["sh", "-c", "VERSION=$(cat version) exec python3 -u -m lab.talker"]
"""

QUICK = (Request("GET", "/"), Request("POST", "/", b"a body"))


class Operations:
    """One project whose live release is changed in every way.

    Args:
        project: An empty folder.
        name: The project's name.
        server: Where it is deployed.
    """

    def __init__(self, project: Project, name: str, server: Server) -> None:
        self._project = project
        self._server = server
        self._target = Target("127.0.0.1", server.http_port, f"{name}.example.com")
        self._version = 0
        service = {
            "name": "web",
            "build": "app",
            "port": 8000,
            "routes": ["/"],
            "health_check": {"path": "/", "interval": "200ms"},
            "replicas": 2,
            "drain_timeout": 5,
            "stop_timeout": 5,
        }
        config = {
            "project": {"name": name, "domain": self._target.host},
            "server": server.section(),
            "services": [service],
            "proxy": {"tls": "off"},
        }
        sources = ("talker.py", "caller.py", "load.py")
        project.write({f"app/lab/{source}": (LAB / source).read_bytes() for source in sources})
        project.write({"ftl.yaml": config, "app/Dockerfile": DOCKERFILE})

    def deploy(self) -> float:
        """Deploy a change of `CHANGE` bytes; the seconds that it took."""
        self._version += 1
        self._project.write({"app/blob": os.urandom(CHANGE), "app/version": f"v{self._version}"})
        return self._run("deploy")

    def ratio(self, rounds: int) -> dict[str, float]:
        """Seconds of deploys, and of the rollbacks that undo them."""
        deploys, rollbacks = [], []
        for number in range(rounds):
            deploys.append(self.deploy())
            rollbacks.append(self._run("rollback"))
            say(f"round {number + 1}: deploy {deploys[-1]:.1f} s, rollback {rollbacks[-1]:.1f} s")
        deployed, back = statistics.median(deploys), statistics.median(rollbacks)
        return {
            "deploy_seconds": round(deployed, 2),
            "rollback_seconds": round(back, 2),
            "rollback_ratio": round(back / deployed, 3),
        }

    def under_load(self, name: str, commands: list[tuple[str, ...]], requests: int) -> dict[str, int]:
        """Run commands in turn until enough requests were answered; how many, and how many failed."""
        with Load(self._target, QUICK, clients=CLIENTS, pause=PAUSE) as load:
            runs = 0
            while runs < len(commands) or load.so_far < requests:
                self._run(*commands[runs % len(commands)])
                runs += 1
        for reason, count in load.tally.reasons.items():
            say(f"{name}: {count} x {reason}")
        return {
            f"{name}_runs": runs,
            f"{name}_requests": load.tally.requests,
            f"{name}_failed_requests": load.tally.failed,
        }

    def growth(self, deploys: int) -> dict[str, float]:
        """Bytes on the server and here after all deploys, compared with those after a third."""
        early = 0
        for number in range(1, deploys + 1):
            self.deploy()
            if number == max(1, deploys // 3):
                early = self._bytes()
            say(f"deploy {number} of {deploys}")
        late = self._bytes()
        return {"disk_bytes": late, "disk_growth": round(late / early, 3)}

    def reading(self) -> dict[str, float]:
        """Seconds of commands that read only, the fastest of three."""
        return {f"{name}_seconds": round(min(self._time(name) for _ in range(3)), 3) for name in READING}

    def _time(self, command: str) -> float:
        from time import monotonic

        began = monotonic()
        self._project.run(command, "--json").ok()
        return monotonic() - began

    def _run(self, *argv: str) -> float:
        result: dict[str, Any] = self._project.run(*argv, "--json").ok().result
        return float(result["seconds"])

    def _bytes(self) -> int:
        there = self._server.run("du", "-sb", "/var/lib/docker").stdout.split()[0]
        return int(there) + asyncio.run(_bytes_here())


READING = ("status", "releases", "audit")


async def _bytes_here() -> int:
    async with Engine(local_url(), name="this machine") as engine:
        return (await engine.usage(seconds=60.0)).layers


def say(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)


def broken(result: dict[str, Any]) -> list[str]:
    """Promises that a result does not keep."""
    over = [name for name, limit in LIMITS.items() if result.get(name, 0) > limit]
    return over + [name for name, value in result.items() if name.endswith("_failed_requests") and value]


def main() -> None:
    """Run it; exit status 1 if a promise was broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="deploys and rollbacks that are timed")
    parser.add_argument("--requests", type=int, default=20_000, help="at least, for each command")
    parser.add_argument("--deploys", type=int, default=30, help="for disk_growth; 0 leaves it out")
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie", "sid"))
    parser.add_argument("--store", default="overlay2", choices=("overlay2", "containerd"))
    given = parser.parse_args()
    images.ensure("caddy", "python")
    name = run_name("operations")
    with Lab(name) as lab, temporary_project(name) as project:
        server = lab.server("server", suite=given.suite, store=given.store)
        operations = Operations(project, name, server)
        operations.deploy()
        result: dict[str, Any] = {"type": "operations", "suite": given.suite, "store": given.store}
        result |= operations.ratio(given.rounds)
        result |= operations.under_load("rollback", [("rollback",)], given.requests)
        result |= operations.under_load("restart", [("restart",)], given.requests)
        result |= operations.under_load("scale", [("scale", "web=4"), ("scale", "web=1")], given.requests)
        result |= operations.reading()
        if given.deploys:
            result |= operations.growth(given.deploys)
    for promise in broken(result):
        say(f"broken: {promise}")
    print(json.dumps(result), flush=True)
    sys.exit(bool(broken(result)))


if __name__ == "__main__":
    main()
