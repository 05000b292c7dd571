"""Seconds of `logs`, `status` and `exec` at 50 ms, and round trips of `exec`.

A project of ten services, each with some hundred lines of log. Each command makes a connection of its own; the fastest
of three runs counts. Round trips are counted as in `bench/link.py`: at 600 ms, less those of FTL's SSH connection.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from lab.relay import Relay

from bench.link import COUNTED, Far

if TYPE_CHECKING:
    from lab.servers import Server
    from tests.harness import Project

ROUND_TRIP = 0.05
SERVICES = 10
RUNS = 3

DOCKERFILE = """\
FROM ftl-lab-busybox:latest
CMD ["sh", "-c", "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; done; exec sleep 100000"]
"""

COMMANDS = {
    "logs": ("logs", "-n", "100"),
    "status": ("status",),
    "exec": ("exec", "s1", "--", "true"),
}


async def reading(server: Server, project: Project, name: str) -> dict[str, float]:
    """Deploy ten services, and run each command at this distance."""
    async with Relay(("127.0.0.1", server.port)) as relay:
        config = {
            "project": {"name": name},
            "server": {**server.section(), "port": relay.port},
            "services": [
                {"name": f"s{number}", "build": "app", "stop_timeout": 0} for number in range(1, SERVICES + 1)
            ],
        }
        project.write({"ftl.yaml": config, "app/Dockerfile": DOCKERFILE})
        await asyncio.to_thread(lambda: project.run("deploy", "--json").ok())
        seconds: dict[str, float] = {}
        relay.delay = ROUND_TRIP / 2
        for command, argv in COMMANDS.items():
            times = [await _seconds(project, argv) for _ in range(RUNS)]
            seconds[f"{command}_seconds"] = round(min(times), 3)
        connection = await Far(server, relay, project, name).connection(RUNS)
        counted = []
        for _ in range(RUNS):
            relay.delay = COUNTED / 2
            await asyncio.sleep(COUNTED)  # what an earlier connection left on the way arrives
            before = relay.counted.round_trips
            await _seconds(project, COMMANDS["exec"])
            counted.append(relay.counted.round_trips - before)
        relay.delay = 0.0
        await asyncio.to_thread(project.run, "remove", "--volumes", "--yes")
    return {**seconds, "exec_round_trips": min(counted) - connection, "connection_round_trips": connection}


async def _seconds(project: Project, argv: tuple[str, ...]) -> float:
    began = time.monotonic()
    done = await asyncio.to_thread(project.run, *argv)
    seconds = time.monotonic() - began
    done.ok()
    return seconds
