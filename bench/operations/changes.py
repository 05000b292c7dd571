"""Rollback, restart and scale under load; disk use after many deploys.

Clients keep their connections alive and never retry: 16 send GET and POST while one command after the other changes the
live release. A request has failed if its connection broke or its status was not 200. `rollback_ratio` is the time of a
rollback, divided by that of the deploy that it undoes: a build and a changed layer of 20 MB. The rollback finds the
deploy's connection, which a user's machine keeps for a minute. `disk_growth` compares the
bytes on the server (of its engine, and of the layers that FTL keeps there), of the project's images here, of the build
cache that they leave and of FTL's own cache after all deploys with those after a third of them. `build_cache_bytes` are
the layers that only the build cache of this machine has by then.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from lab import images
from lab.load import Load, Request, Target
from lab.server import docker

from bench.kept import kept_connections
from ftl.engine.local import local_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.servers import Server
    from tests.harness import Project

LAB = Path(images.__file__).parent
CLIENTS = 16
LIMIT = 1800.0
PAUSE = 0.01
CHANGE = 20_000_000 + os.getpid() % 1000 * 1000
"""Bytes of the layer that each deploy changes; of each run its own, by which the build cache's are known."""

DOCKERFILE = """\
FROM python-base
WORKDIR /app
COPY lab lab
COPY blob version ./
ENV PORTS=8000
CMD ["sh", "-c", "VERSION=$(cat version) exec python3 -u -m lab.talker"]
"""

DISK = """\
set -- /var/lib/docker
for folder in /root/.cache/ftl /home/*/.cache/ftl; do [ ! -d "$folder" ] || set -- "$@" "$folder"; done
du -sxbc "$@" | tail -n 1
"""
"""Prints the bytes of a server's engine, and of what FTL keeps there."""

QUICK = (Request("GET", "/"), Request("POST", "/", b"a body"))


class Changes:
    """One project whose live release is changed in every way.

    Args:
        project: An empty folder.
        name: The project's name.
        server: Where it is deployed.
    """

    def __init__(self, project: Project, name: str, server: Server) -> None:
        self._project = project
        self._name = name
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

    def deploy(self, env: Mapping[str, str] | None = None) -> float:
        """Deploy a change of `CHANGE` bytes; the seconds that it took."""
        self._version += 1
        self._project.write({"app/blob": os.urandom(CHANGE), "app/version": f"v{self._version}"})
        return self._run("deploy", env=env)

    def ratio(self, rounds: int) -> dict[str, float]:
        """Seconds of deploys, and of the rollbacks that undo them."""
        deploys, rollbacks = [], []
        for number in range(rounds):
            with kept_connections() as kept:
                deploys.append(self.deploy(kept.environment))
                rollbacks.append(self._run("rollback", env=kept.environment))
            say(f"round {number + 1}: deploy {deploys[-1]:.1f} s, rollback {rollbacks[-1]:.1f} s")
        deployed, back = statistics.median(deploys), statistics.median(rollbacks)
        return {
            "deploy_seconds": round(deployed, 2),
            "rollback_seconds": round(back, 2),
            "rollback_ratio": round(back / deployed, 3),
        }

    def under_load(self, name: str, commands: list[tuple[str, ...]], requests: int) -> dict[str, int]:
        """Run commands in turn until enough requests were answered; how many, and how many failed."""
        with Load(self._target, QUICK, clients=CLIENTS, pause=PAUSE, limit=LIMIT) as load:
            runs = 0
            while runs < len(commands) or load.so_far < requests:
                if not any(client.is_alive() for client in load.threads):
                    raise RuntimeError(f"{name}: {load.so_far} of {requests} requests in {LIMIT:.0f} s")
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
        return {
            "disk_bytes": late,
            "disk_growth": round(late / early, 3),
            "build_cache_bytes": asyncio.run(_cache_bytes()),
        }

    def _run(self, *argv: str, env: Mapping[str, str] | None = None) -> float:
        result: dict[str, Any] = self._project.run(*argv, "--json", env=env).ok().result
        return float(result["seconds"])

    def _bytes(self) -> int:
        there = self._server.run("sh", "-c", DISK).stdout.split()[0]
        kept_here = Path(self._project.environment["XDG_CACHE_HOME"], "ftl").rglob("*")
        here = sum(path.stat().st_size for path in kept_here if path.is_file())
        return int(there) + here + _image_bytes(self._name) + asyncio.run(_cache_bytes())


def _image_bytes(project: str) -> int:
    """Bytes of a project's images on this machine, less those of their base."""
    listed = docker("images", "--quiet", "--filter", f"label=ftl.project={project}").stdout.decode().split()
    base, *sizes = docker(
        "image", "inspect", "--format", "{{.Size}}", "python-base", *sorted(set(listed))
    ).stdout.split()
    return sum(int(size) - int(base) for size in sizes)


async def _cache_bytes() -> int:
    """Bytes of the layers of our deploys that only the build cache of this machine has, known by their size."""
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(local_url().removeprefix("unix://"))
        ) as session,
        session.get("http://docker/system/df") as response,
    ):
        cache: list[dict[str, Any]] = (await response.json())["BuildCache"] or []
    sizes = (int(one["Size"]) for one in cache if one["Type"] == "regular" and not one["Shared"])
    return sum(size for size in sizes if CHANGE <= size < CHANGE + 1000)


def say(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)
