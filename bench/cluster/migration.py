"""From one server to three and back under load, with a dependency that stays where it is.

The steps are those of docs/how-to/several-servers.md. Clients are at the first server's proxy all the while, and at the
others' as long as these take part.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.cluster.stage import Stage, say, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.servers import Server
    from tests.harness import Project

DATABASE = {
    "name": "data",
    "image": "ftl-lab-busybox:latest",
    "command": ["sh", "-c", "test -e /data/mark || date > /data/mark; exec sleep 1000000"],
    "volumes": ["data:/data"],
    "stop_signal": "KILL",
}


def migrate(project: Project, name: str, servers: Sequence[Server], rounds: int) -> dict[str, Any]:
    """Requests that failed on the way to three servers and back."""
    first, others = servers[0], servers[1:]
    alone = Stage(project, name, [first], replicas=2, extra={"dependencies": [DATABASE]}, is_cluster=False)
    together = replace(alone, servers=servers, is_cluster=True)
    last = replace(alone, is_cluster=True)
    together.ssh_config(servers)
    alone.deploy("alone")
    mark = _mark(first, name)
    requests, failed = 0, 0
    for number in range(rounds):
        with alone.loads([first]) as load:
            together.run("setup", "--json")
            say("set up three servers")
            together.deploy(f"together-{number}")
            say("deployed to three servers")
            with together.loads(others) as more:  # DNS leads to them from now on
                together.deploy(f"together-{number} again")
            for server in others:
                together.run("servers", "drain", f"{server.name}.test")
            last.run("setup", "--json")
            say("two servers have left")
            alone.deploy(f"alone-{number}")
            say("deployed to one server")
        for tally in (total(load), total(more)):
            requests, failed = requests + tally.requests, failed + tally.failed
        if _mark(first, name) != mark:
            raise SystemExit("the dependency lost its data")
        if left := first.docker("service", "ls", "--quiet"):
            raise SystemExit(f"Swarm services are left: {left}")
    return {"migrate_requests": requests, "migrate_failed": failed}


def _mark(server: Server, project: str) -> str:
    own = ("--filter", f"label=ftl.project={project}", "--filter", "label=ftl.service=data")
    container = server.docker("ps", "--quiet", *own)
    return server.docker("exec", container, "cat", "/data/mark")
