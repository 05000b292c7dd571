"""A project on three servers of the lab, in one Swarm."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.support.project import DOCKERFILE, unique
from tests.e2e.support.swarm import form_swarm, join_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.servers import Lab, Server
    from tests.harness import Outcome, Project


@dataclass
class ThreeServerProject:
    """A project with one service on three servers."""

    project: Project
    servers: list[Server]
    name: str
    config: dict[str, Any]

    @property
    def domain(self) -> str:
        """The project's domain."""
        return f"{self.name}.example.com"

    def deploy(self, text: str) -> Outcome:
        """Deploy a version whose answer is `text`."""
        files = {"app/Dockerfile": DOCKERFILE, "app/www/index.html": text}
        self.project.write({**files, "ftl.yaml": json.dumps(self.config)})
        return self.project.run("deploy", "--json")

    def get(self, server: Server, host: str = "") -> tuple[int, str]:
        """Request from outside, at one of the servers; a host other than the project's domain may be named."""
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
        try:
            connection.request("GET", "/", headers={"Host": host or self.domain})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@contextmanager
def three_servers(lab: Lab, ftl: Callable[..., Project]) -> Iterator[ThreeServerProject]:
    """Three servers in one Swarm, as `ftl setup` would leave them."""
    name = unique("clu")
    servers = [lab.server(f"{name}-{letter}", suite="trixie") for letter in "abc"]
    try:
        form_swarm(servers, name)
        yield _project(ftl(), servers, name)
    finally:
        for server in servers:
            lab.remove(server.name)


def project_beside(cluster: ThreeServerProject, ftl: Callable[..., Project]) -> ThreeServerProject:
    """Another project on the same servers, whose proxies serve both."""
    name = unique("clu")
    join_project(cluster.servers, name, subnet="10.93.1.0/24")
    return _project(ftl(), cluster.servers, name)


def _project(project: Project, servers: list[Server], name: str) -> ThreeServerProject:
    web = {
        "name": "web",
        "build": "app",
        "port": 8000,
        "routes": ["/"],
        "replicas": 3,
        "stop_timeout": 1,
        "drain_timeout": "8s",
    }
    made = ThreeServerProject(project, servers, name, {})
    made.config = {
        "project": {"name": name, "domain": made.domain},
        "servers": [{**server.section(), "host": server.address, "port": 22} for server in servers],
        "services": [web],
        "proxy": {"tls": "off"},
    }
    return made
