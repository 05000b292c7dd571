"""A project on several servers of the lab, with their names in the user's ssh configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.support.project import unique

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.servers import Server
    from tests.harness import Outcome, Project


@dataclass
class ClusterProject:
    """A project with `servers`.

    Attributes:
        config: Content of ftl.yaml; tests change it between runs.
    """

    project: Project
    servers: Sequence[Server]
    name: str
    config: dict[str, Any]

    def write(self) -> None:
        """Write the current configuration."""
        self.project.write({"ftl.yaml": self.config})

    def run(self, *argv: str, timeout: float = 240) -> Outcome:
        """Run `ftl` with the current configuration."""
        self.write()
        return self.project.run(*argv, timeout=timeout)

    def setup(self, *argv: str) -> list[tuple[str, str]]:
        """Run `ftl setup`; the kinds of its steps, with their servers."""
        result = self.run("setup", "--json", *argv).ok().result
        own = [(step["step"], each["server"]) for each in result["servers"] for step in each["changes"]]
        return own + [(step["step"], step["server"]) for step in result["changes"]]


def cluster_project(
    make: Callable[..., Project], servers: Sequence[Server], **changed: Any
) -> ClusterProject:
    """A project with one service on these servers, whose hosts are NAME.test."""
    name, project = unique("cluster"), make()
    config = Path(project.environment["HOME"]) / ".ssh" / "config"
    hosts = [
        f"Host {server.name}.test\n  HostName {server.host}\n  Port {server.port}\n" for server in servers
    ]
    config.write_text("".join(hosts) + "Host *\n" + config.read_text())
    service = {"name": "web", "build": ".", "port": 8000, "routes": ["/"], **changed}
    project.write({"Dockerfile": "FROM ftl-lab-busybox:latest\n"})
    return ClusterProject(
        project,
        servers,
        name,
        {
            "project": {"name": name, "domain": f"{name}.example.com"},
            "servers": [section(server) for server in servers],
            "services": [service],
            "proxy": {"tls": "off"},
        },
    )


def section(server: Server) -> dict[str, object]:
    """The server as an item of `servers`."""
    return {
        "host": f"{server.name}.test",
        "user": server.user,
        "ssh_key": str(server.key),
        "private_address": server.address,
    }


def nodes(server: Server) -> dict[str, tuple[str, str]]:
    """The nodes that a manager sees: host name -> state and role."""
    listed = server.docker("node", "ls", "--format", "{{json .}}").splitlines()
    rows = [json.loads(line) for line in listed]
    return {row["Hostname"]: (row["Status"], "manager" if row["ManagerStatus"] else "worker") for row in rows}


def swarm_state(server: Server) -> str:
    """What the engine says about its membership: "active", "inactive"."""
    return server.docker("info", "--format", "{{.Swarm.LocalNodeState}}")
