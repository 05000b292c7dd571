"""Ports of Compose: a row for each, their protocol, and the routes that they need."""

# ruff: noqa: E501 -- Compose files, one a line

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

if TYPE_CHECKING:
    from pathlib import Path


def test_each_port_has_a_row(tmp_path: Path) -> None:
    """They shared one, in which the last verdict stood for all."""
    text = 'services: {web: {image: x, ports: ["127.0.0.1:80:80", "53:53/udp", "6060", "9000-9001:9000-9001", "$X"]}, a: {image: y, ports: []}}'
    _, report = taken(tmp_path, text)
    rows = {
        row.key.removeprefix("services.web."): row.verdict for row in report.rows if "web.ports" in row.key
    }
    assert rows == {
        "ports[0]": Verdict.NEEDS_YOU,
        "ports[1]": Verdict.CHANGED,
        "ports[2]": Verdict.LEFT_OUT,
        "ports[3]: 9000": Verdict.CHANGED,
        "ports[3]: 9001": Verdict.CHANGED,
        "ports[4]": Verdict.NEEDS_YOU,
    }
    assert verdicts(report)["services.a.ports"] is Verdict.LEFT_OUT


def test_a_port_for_a_proxy_in_front_needs_routes(tmp_path: Path) -> None:
    """Nginx on the server made it public: nobody reached the app, and nothing was said."""
    text = 'services: {web: {image: x, ports: ["127.0.0.1:3000:3000"]}}'
    project, report = taken(tmp_path, text)
    assert (service(project).port, service(project).routes) == (3000, ())
    assert verdicts(report)["services.web.ports[0]"] is Verdict.NEEDS_YOU
    row = words(report, "services.web.ports[0]")
    assert "only this machine could reach 127.0.0.1:3000" in row
    assert "If the site is public, write `domain` of the project and `routes: [{path: /}]`" in row
    written = (tmp_path / "ftl.yaml").read_text()
    assert re.search(r"\n  # TO DO domain: [\w.-]+\.example\.com   # your own", written)
    assert "\n    # routes: [{path: /}]\n" in written
    public = text.replace("services: {", 'services: {site: {image: y, ports: ["80:80"]}, ')
    assert verdicts(taken(tmp_path / "b", public)[1])["services.web.ports[0]"] is Verdict.LEFT_OUT


@pytest.mark.parametrize(
    ("service_keys", "dockerfile", "port", "protocol"),
    [
        ("build: ., expose: [9000]", "FROM php:8.3-fpm-alpine\nCMD [php-fpm, -F]\n", 9000, "tcp"),
        ("build: .", "FROM php:8.3-fpm\nEXPOSE 9000\n", 9000, "tcp"),
        ("build: ., expose: [9000]", "FROM scratch\n", 9000, "http"),
        ("build: .", "FROM scratch\nEXPOSE 9000\n", 9000, "http"),
        ("image: 'php:8-fpm', expose: ['9000/tcp']", "", 9000, "tcp"),
        ("image: x, expose: [1883]", "", 1883, "tcp"),
        ("image: x, expose: [25]", "", 25, "tcp"),
        ("image: x, expose: [5672, 15672]", "", 15672, "http"),
        ("image: x, expose: [53/udp, 8080]", "", 8080, "http"),
        ("build: .", "FROM scratch\nEXPOSE 5672 15672\n", 15672, "http"),
        ("build: .", "FROM scratch\nEXPOSE 8080\nEXPOSE 5432\n", 8080, "http"),
        ("image: x, expose: [50051]", "", 50051, "h2c"),
        ("build: .", "FROM scratch\nEXPOSE 50051\n", 50051, "h2c"),
        ("image: x, ports: ['50051:50051', '3001:3001']", "", 3001, "http"),
        (
            "image: x, expose: [9090, 50051], labels: {traefik.http.services.a.loadbalancer.server.port: '50051'}",
            "",
            50051,
            "h2c",
        ),
        ("image: x, expose: [5672], environment: {VIRTUAL_HOST: a.io}", "", 5672, "http"),
    ],
)
def test_a_port_has_its_protocol(
    tmp_path: Path, service_keys: str, dockerfile: str, port: int, protocol: str
) -> None:
    """Everything was HTTP: a check of PHP-FPM never passed, and its name led to the proxy."""
    check = "healthcheck: {test: curl -f http://localhost/up}"
    text = f"services: {{one: {{{service_keys}, {check}}}, other: {{image: x}}}}"
    project, report = taken(tmp_path, text, more={"Dockerfile": dockerfile})
    one = service(project, "one")
    assert (one.port, one.protocol) == (port, protocol)
    assert (one.health_check is None) == (protocol != "http")
    assert (verdicts(report).get("services.one.port") is Verdict.CHANGED) == (protocol != "http")


def test_a_proxy_whose_rules_are_in_its_own_files(tmp_path: Path) -> None:
    """A tool at a port of its own did not become the site: nothing here says which service was public."""
    text = """
services:
  web: {build: ., command: /start}
  flower: {image: "mher/flower:2", ports: ["5555:5555"]}
  proxy: {build: ./proxy, ports: ["0.0.0.0:80:80", "0.0.0.0:443:443"]}
"""
    more = {"proxy/Dockerfile": "FROM traefik:v3\nCOPY traefik.yml /etc/traefik/\n"}
    project, report = taken(tmp_path, text, more=more)
    assert not any(one.routes for one in project.services)
    assert (
        verdicts(report)["services.proxy"]
        is verdicts(report)["services.flower.ports[0]"]
        is Verdict.NEEDS_YOU
    )
    assert "write `routes` of the services it served" in words(report, "services.proxy")


def test_a_port_of_another_protocol_gets_no_route(tmp_path: Path) -> None:
    """A game's server speaks no HTTP: its port is published."""
    project, _ = taken(tmp_path, 'services: {mc: {image: "itzg/minecraft-server", ports: ["25565:25565"]}}')
    assert (service(project, "mc").routes, service(project, "mc").forwards) == ((), ("25565:25565",))


def test_two_ports_for_a_proxy_in_front(tmp_path: Path) -> None:
    """Both rows say that the two cannot have the same route."""
    ports = 'ports: ["127.0.0.1:{0}:{0}"]'
    services = ", ".join(
        f"{name}: {{image: x, {ports.format(port)}}}" for name, port in (("a", 3000), ("b", 4000))
    )
    _, report = taken(tmp_path, f"services: {{{services}}}")
    assert all(
        "two services cannot have the same" in words(report, f"services.{name}.ports[0]") for name in "ab"
    )


def test_a_port_with_an_empty_address_is_published(tmp_path: Path) -> None:
    """Docker reads `:2283:2283`, which a default of a variable made: the app had no port, and no route."""
    text = "services: {web: {image: x, ports: ['${ADDRESS-:2283:2283}']}}"
    project, report = taken(tmp_path, text)
    assert (service(project).port, [route.path for route in service(project).routes]) == (2283, ["/"])
    assert verdicts(report)["services.web.ports[0]"] is Verdict.CHANGED


@pytest.mark.parametrize(
    "port", ["'${SITE_PORT}:5601'", "'${SITE_PORT}:5601/tcp'", "{target: 5601, published: $SITE_PORT}"]
)
def test_a_port_whose_number_is_not_set_is_published(tmp_path: Path, port: str) -> None:
    """It was a port that nobody asked for: the site had no route, and no row said so."""
    text = f"services: {{site: {{image: x, ports: [{port}]}}, logs: {{image: y, ports: ['5044:5044']}}}}"
    project, report = taken(tmp_path, text)
    site, logs = (service(project, name) for name in ("site", "logs"))
    assert ([route.path for route in site.routes], site.port, logs.routes) == (["/"], 5601, ())
    assert "the server's port of site" in words(report, "${SITE_PORT}")


def test_the_only_port_at_a_number_of_the_engine(tmp_path: Path) -> None:
    """`ports: [8080]` of nginx was the way into the app: nothing led there, and no row said so."""
    text = "services: {nginx: {image: nginx, ports: [8080]}, app: {image: x, expose: [8000]}}"
    project, _ = taken(tmp_path, text)
    assert [route.path for route in service(project, "nginx").routes] == ["/"]
    both = text.replace("expose: [8000]", "ports: ['80:8000']")
    project, _ = taken(tmp_path / "b", both)
    assert [len(service(project, name).routes) for name in ("nginx", "app")] == [0, 1]


@pytest.mark.parametrize(
    ("services", "public"),
    [
        ("adminer: {image: adminer, ports: ['8080:8080']}, api: {image: x, ports: ['5000:5000']}", "api"),
        ("docs: {image: x, ports: ['9021:9021']}, shop: {build: ., ports: ['7000:7000']}", "shop"),
        (
            "broker: {image: confluentinc/cp-server, ports: ['9101:9101']}, ui: {image: x, ports: ['9021:9021']}",
            "ui",
        ),
    ],
)
def test_a_tool_and_a_queue_are_not_the_site(tmp_path: Path, services: str, public: str) -> None:
    """The first service of the file got the domain: a view of the database, or the metrics of Kafka."""
    project, _ = taken(tmp_path, f"services: {{{services}}}")
    assert [each.name for each in project.services if each.routes] == [public]
