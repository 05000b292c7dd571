"""Clusters of one engine each, and of three ages together: deploys, a rollback."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.cluster import cluster_project
from tests.e2e.support.project import DOCKERFILE, unique
from tests.e2e.support.swarm import form_swarm

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Lab, Server
    from tests.harness import Project

pytestmark = [pytest.mark.engine, pytest.mark.server, pytest.mark.nightly, pytest.mark.timeout(900)]

KINDS = {
    "mixed": ("bookworm", "trixie", "sid"),
    "docker-20.10": ("bookworm",) * 3,
    "docker-26.1": ("trixie",) * 3,
    "docker-28": ("sid",) * 3,
}


@pytest.mark.parametrize("suites", KINDS.values(), ids=KINDS)
def test_a_cluster_of_these_engines(
    lab: Lab, ftl: Callable[..., Project], proxy_image: str, suites: tuple[str, ...]
) -> None:
    """Every proxy answers with what is live, the same deploy again does nothing, and a rollback goes back."""
    servers = lab.cluster(*suites, stem=unique("eng"))
    try:
        app = cluster_project(ftl, servers, build="app", replicas=3, stop_timeout=1)
        domain = app.config["project"]["domain"]
        app.project.write({"app/Dockerfile": DOCKERFILE, "app/www/index.html": "none"})
        if "sid" in suites:  # `ftl setup` does not support a Debian that is not released
            form_swarm(servers, app.name, [f"{server.name}.test" for server in servers])
        else:
            app.setup()
            assert app.setup() == []
        for text in ("one", "two"):
            app.project.write({"app/www/index.html": text})
            app.run("deploy", "--json").ok()
            assert [_get(server, domain) for server in servers] == [(200, text)] * 3
        assert app.run("deploy", "--json").ok().events("step_finished") == []
        app.run("rollback", "--json").ok()
        assert [_get(server, domain) for server in servers] == [(200, "one")] * 3
        listed = app.run("servers", "--json").ok().result["servers"]
        assert [(one["state"], one["proxy"]) for one in listed] == [("ready", "up")] * 3
    finally:
        for server in servers:
            lab.remove(server.name)


def _get(server: Server, domain: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    connection.request("GET", "/", headers={"Host": domain})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()
