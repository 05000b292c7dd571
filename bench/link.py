"""Round trips and wall time of deploys that change nothing, and of `ftl status`.

Every run goes through `lab/relay.py`, which makes the way to the server's sshd longer, and counts round trips: what
is sent after something was heard begins another one. That is exact where an answer takes long against whatever is done
in between, so for the count it takes 600 ms. A busy machine can only add to it: the least of some runs is taken. The
round trips of FTL's own SSH connection, counted in the same way up to the moment in which commands can be run on it,
are taken off for those after it.

The wall time of a plain `ftl deploy` is measured at 0, 50 and 100 ms, the fastest of some runs each. Its slope, seconds
for each second of round-trip time, is what users feel of all round trips: work that is done here while an answer is
under way (starting Python, building) hides some of them.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.kept import kept_connections
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.relay import Relay
    from lab.servers import Server
    from tests.harness import Project

FELT = (0.0, 0.05, 0.1)
COUNTED = 0.6
KEPT = 0.06
"""Round-trip times in seconds."""

DOCKERFILE = 'FROM ftl-lab-busybox:latest\nCMD ["httpd", "-f", "-p", "8000"]\n'


@dataclass(frozen=True, slots=True)
class Trips:
    """Deploys of one number of services.

    Attributes:
        felt: Round-trip time -> seconds of the fastest `ftl deploy`.
        slope: Seconds for each second of round-trip time, over `felt`.
        counted: Round trips that follow one another, with those of the connection.
    """

    services: int
    felt: Mapping[float, float]
    slope: float
    counted: int


@dataclass(frozen=True, slots=True)
class Commands:
    """Seconds of `ftl status` at a round-trip time of KEPT, the fastest of some runs.

    Attributes:
        first: Without a connection that an earlier command has left.
        second: With one.
        trips: Round trips of the second, counted.
    """

    first: float
    second: float
    trips: int


class Far:
    """A server at any distance.

    Args:
        server: Which.
        relay: The way to it.
        project: An empty folder, and a user.
        name: The project's name.
    """

    def __init__(self, server: Server, relay: Relay, project: Project, name: str) -> None:
        self._server = server
        self._relay = relay
        self._project = project
        self._name = name

    async def connection(self, runs: int) -> int:
        """Round trips until commands can be run on the server."""
        known_hosts = self._project.folder / "known_hosts"
        target = Target("127.0.0.1", self._relay.port, self._server.user, self._server.key, known_hosts)
        return min([await self._connect(target) for _ in range(runs)])

    async def _connect(self, target: Target) -> int:
        before = await self._rest()
        async with connect(target, interactive=False):
            return self._relay.counted.round_trips - before

    async def deploys(self, services: int, runs: int) -> Trips:
        """Deploy so many services, then deploy again and again without a change."""
        self._write(services)
        await self._deploy(0.0)
        counted, felt = [], dict.fromkeys(FELT, float("inf"))
        for _ in range(runs):  # in turn: a busy minute is not to be one distance's alone
            for distance in FELT:
                felt[distance] = min(felt[distance], await self._deploy(distance, changed=False))
        for _ in range(runs):
            before = await self._rest()
            await self._deploy(COUNTED, changed=False)
            counted.append(self._relay.counted.round_trips - before)
        return Trips(services, felt, slope(felt), min(counted))

    async def commands(self, runs: int) -> Commands:
        """Ask for the status of what is deployed, without and with a kept connection."""
        first, second, trips = [], [], []
        with kept_connections() as kept:
            for _ in range(runs):
                kept.end()
                first.append(await self._status(KEPT, kept.environment))
                second.append(await self._status(KEPT, kept.environment))
            for _ in range(runs):
                before = await self._rest()
                await self._status(COUNTED, kept.environment)
                trips.append(self._relay.counted.round_trips - before)
        return Commands(min(first), min(second), min(trips))

    async def _status(self, distance: float, environment: Mapping[str, str]) -> float:
        self._relay.delay = distance / 2
        began = time.monotonic()
        outcome = await asyncio.to_thread(self._project.run, "status", "--json", env=environment)
        seconds = time.monotonic() - began
        if outcome.exit_code:
            raise SystemExit(f"the status was not told:\n{outcome}")
        return seconds

    async def _rest(self) -> int:
        """Let what an earlier connection left on the way arrive; the round trips until then."""
        self._relay.delay = COUNTED / 2
        await asyncio.sleep(COUNTED)
        return self._relay.counted.round_trips

    async def _deploy(self, distance: float, *, changed: bool = True) -> float:
        """Deploy over such a round-trip time; the seconds that it took."""
        self._relay.delay = distance / 2
        began = time.monotonic()
        outcome = await asyncio.to_thread(self._project.run, "deploy", "--json")
        seconds = time.monotonic() - began
        if outcome.exit_code or outcome.result["changed"] is not changed:
            raise SystemExit(f"this is not the deploy that was to be measured:\n{outcome}")
        return seconds

    def _write(self, count: int) -> None:
        services = [{"name": f"s{number}", "build": "app", "port": 8000} for number in range(1, count + 1)]
        config = {
            "project": {"name": self._name, "domain": f"{self._name}.example.com"},
            "server": {**self._server.section(), "port": self._relay.port},
            "services": [{**services[0], "routes": ["/"]}, *services[1:]],
            "proxy": {"tls": "off"},
        }
        self._project.write({"ftl.yaml": config, "app/Dockerfile": DOCKERFILE})


def slope(seconds: Mapping[float, float]) -> float:
    """Of the line through the points, by least squares."""
    middle = sum(seconds) / len(seconds)
    mean = sum(seconds.values()) / len(seconds)
    rise = sum((at - middle) * (value - mean) for at, value in seconds.items())
    return rise / sum((at - middle) ** 2 for at in seconds)
