"""`ftl init --from` with labels of Traefik: what was shut stays shut."""

# ruff: noqa: E501 -- labels, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.compose.proxies.traefik import parse_rule
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.onboarding.takeover.report import TakeoverReport


def needed(report: TakeoverReport) -> dict[str, str]:
    """Rows that need the user, without the service's part."""
    return {
        row.key.partition(".labels: ")[2]: row.text for row in report.rows if row.verdict is Verdict.NEEDS_YOU
    }


@pytest.mark.parametrize(
    ("rule", "routes"),
    [
        ("Host(`a.io`)", [("a.io", "/")]),
        ("Host(`a.io`) || Host(`b.io`)", [("a.io", "/"), ("b.io", "/")]),
        (
            "Host(`a.io`, `b.io`) && PathPrefix(`/x`, `/y`)",
            [("a.io", "/x"), ("a.io", "/y"), ("b.io", "/x"), ("b.io", "/y")],
        ),
        ("Host(`a.io`) && (PathPrefix(`/x`) || PathPrefix(`/y`))", [("a.io", "/x"), ("a.io", "/y")]),
        ("(Host(`a.io`) && PathPrefix(`/x`)) || Host(`b.io`)", [("a.io", "/x"), ("b.io", "/")]),
        ('Host("a.io")&&PathPrefix("/x")', [("a.io", "/x")]),
    ],
)
def test_hosts_and_prefixes_are_routes(rule: str, routes: list[tuple[str, str]]) -> None:
    """`&&` binds more closely than `||`."""
    assert list(parse_rule(rule).routes) == routes
    assert parse_rule(rule).refused == ""


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("Host(`a.io`) && !PathPrefix(`/admin`)", "`!`"),
        ("Host(`a.io`) && !(PathPrefix(`/admin`) || PathPrefix(`/x`))", "`!`"),
        (r"HostRegexp(`^.+\\.b\\.io$`)", "`HostRegexp`"),
        ("Host(`a.io`) && Headers(`X-Key`, `1`)", "`Headers`"),
        ("Host(`a.io`) && ClientIP(`10.0.0.0/8`)", "`ClientIP`"),
        ("Host(`a.io`) && Path(`/only`)", "`Path`"),
        ("Host(`a.io`) && Method(`GET`)", "`Method`"),
        ("Host(``)", "a variable that is not set"),
        ("Host(`a.io`) || PathPrefix(`/x`)", "a path at any host"),
        ("PathPrefix(`/x`)", "no host"),
        ("Host(`a.io`) && Host(`b.io`)", "two hosts or paths at once"),
        ("Host(`a.io`", "a form that is not known here"),
        ("Host(`a.io`) &&", "a form that is not known here"),
        ("Host(`a.io`) Host(`b.io`)", "a form that is not known here"),
        ("(Host(`a.io`)", "a form that is not known here"),
        ("", "a form that is not known here"),
    ],
)
def test_what_is_more_than_hosts_and_prefixes_has_no_route(rule: str, refused: str) -> None:
    """The proxy would let through more than Traefik did."""
    parsed = parse_rule(rule)
    assert (parsed.routes, parsed.refused) == ((), refused)


def test_a_path_that_was_shut_is_not_the_only_public_one(tmp_path: Path) -> None:
    """No route is written, the user is asked, and the domain is that of the rule."""
    text = """
services:
  web: {image: "a:1", ports: ["80:80"], labels: {traefik.http.routers.w.rule: "Host(`a.io`) && !PathPrefix(`/admin`)"}}
  api: {image: "b:1", labels: {traefik.http.routers.w.rule: "HostRegexp(`^.+\\\\.b\\\\.io$`)"}}
  off: {image: "c:1", expose: [80], labels: {traefik.enable: "false", traefik.http.routers.w.rule: "Host(`c.io`)"}}
  odd: {image: "d:1", expose: [80], labels: ["traefik.http.routers.w.rule=Host(`${FQDN:?}`)"]}
"""
    project, report = taken(tmp_path, text)
    assert project.project.domain == "a.io"
    assert [item.routes for item in project.services] == [()] * 4
    keys = [row.key for row in report.rows if row.verdict is Verdict.NEEDS_YOU and ".labels: " in row.key]
    rule = "labels: traefik.http.routers.w.rule"
    assert keys == [f"services.{name}.{rule}" for name in ("web", "api", "odd")]
    assert "# TO DO labels: traefik.http.routers.w.rule" in (tmp_path / "ftl.yaml").read_text()


def test_hosts_that_are_no_domain(tmp_path: Path) -> None:
    """A pattern led to the start page of the project's domain; a wildcard has its route, but is no domain."""
    variables = "environment: {VIRTUAL_HOST: '~^x', CERT: x}"
    text = f"services: {{web: {{image: x, expose: [80], {variables}, labels: {{traefik.http.routers.w.rule: 'Host(`*.b.io`)'}}}}}}"
    project, report = taken(tmp_path, text)
    assert [route.host for route in project.services[0].routes] == ["*.b.io"]
    assert "~^x" in needed(report)


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("traefik.tcp.routers.a.rule=HostSNI(`*`)", "tcp"),
        ("traefik.udp.routers.a.entrypoints=x", "udp"),
        ("traefik.http.routers.a.priority=10", "priority"),
        ("traefik.http.services.a.loadbalancer.server.scheme=https", "scheme"),
        ("traefik.http.services.a.loadbalancer.sticky.cookie=true", "sticky"),
        ("traefik.http.services.a.loadbalancer.healthcheck.port=81", "healthcheck.port"),
    ],
)
def test_what_traefik_did_beside_its_rules_is_told(tmp_path: Path, label: str, key: str) -> None:
    """Each has a row with what to do."""
    rule = "traefik.http.routers.a.rule=Host(`a.example.org`)"
    _, report = taken(
        tmp_path, f"services: {{web: {{image: x, expose: [80], labels: ['{rule}', '{label}']}}}}"
    )
    assert key in needed(report)


def test_the_check_of_traefik_is_ours(tmp_path: Path) -> None:
    """Its path is requested here, too."""
    labels = "{traefik.http.routers.a.rule: 'Host(`a.example.org`)', traefik.http.services.a.loadbalancer.healthcheck.path: /ok}"
    project, _ = taken(tmp_path, f"services: {{web: {{image: x, expose: [80], labels: {labels}}}}}")
    check = service(project).health_check
    assert check is not None
    assert check.path == "/ok"


@pytest.mark.parametrize("port", ["80:80", "8080:80"])
def test_the_host_of_a_refused_rule_is_given_to_no_other_service(tmp_path: Path, port: str) -> None:
    """By its port alone another one would have got the requests of the shut one."""
    text = f"""
services:
  app: {{image: "a:1", expose: [80], labels: {{traefik.http.routers.w.rule: "Host(`a.io`) && ClientIP(`10.0.0.0/8`)"}}}}
  admin: {{image: "b:1", ports: ["{port}"]}}
"""
    project, report = taken(tmp_path, text)
    assert project.project.domain == "a.io"
    assert [item.routes for item in project.services] == [()] * 2
    row = next(row for row in report.rows if row.key.startswith("services.admin.ports"))
    assert row.verdict is Verdict.NEEDS_YOU
    assert "since a rule of app was refused" in row.text


@pytest.mark.parametrize(
    ("labels", "routes", "verdict"),
    [
        (["routers.a.middlewares=s", "middlewares.s.stripprefix.prefixes=/api"], [("/api", True)], Verdict.CHANGED),
        (["routers.a.middlewares=x, s@docker", "middlewares.s.stripprefix.prefixes=/api/"], [("/api", True)], Verdict.CHANGED),
        (["routers.a.middlewares=c", "middlewares.c.chain.middlewares=s", "middlewares.s.stripPrefix.prefixes[0]=/api"], [("/api", True)], Verdict.CHANGED),
        (["routers.a.middlewares=s", "middlewares.s.stripprefix.prefixes=/api,/v1"], [("/api", True)], Verdict.NEEDS_YOU),
        (["routers.a.middlewares=s", "middlewares.s.stripprefix.prefixes=/v1"], [("/api", False)], Verdict.NEEDS_YOU),
        (["routers.b.middlewares=s", "middlewares.s.stripprefix.prefixes=/api"], [("/api", False)], Verdict.NEEDS_YOU),
    ],
)  # fmt: skip
def test_a_path_that_is_taken_away(
    tmp_path: Path, labels: list[str], routes: list[tuple[str, bool]], verdict: Verdict
) -> None:
    """Where it is the route's own path, the route takes it away."""
    rule = "traefik.http.routers.a.rule=Host(`a.io`) && PathPrefix(`/api`)"
    written = "".join(f"      - {label}\n" for label in (rule, *(f"traefik.http.{each}" for each in labels)))
    text = f"services:\n  web:\n    image: x:1\n    expose: [80]\n    labels:\n{written}"
    project, report = taken(tmp_path, text)
    assert [(route.path, route.strip_prefix) for route in service(project).routes] == routes
    rows = {row.key: row.verdict for row in report.rows}
    assert rows["services.web.labels: stripprefix"] is verdict


@pytest.mark.parametrize(
    "proxy",
    [
        'command: ["--certificatesresolvers.le.acme.email=me@a.io", "--x"]',
        "command: --certificatesResolvers.le.acme.email=${MAIL:-me@a.io} --x",
        "environment: {TRAEFIK_CERTIFICATESRESOLVERS_LE_ACME_EMAIL: me@a.io}",
    ],
)
def test_the_contact_of_another_proxy(tmp_path: Path, proxy: str) -> None:
    """It is that of the project: the authority writes to it before a certificate ends."""
    labels = 'labels: ["traefik.http.routers.a.rule=Host(`a.io`)"]'
    text = f"services:\n  traefik:\n    image: traefik:3\n    {proxy}\n  web: {{image: 'x:1', {labels}}}\n"
    project, _ = taken(tmp_path, text)
    assert project.project.email == "me@a.io"


def test_the_contact_of_a_companion(tmp_path: Path) -> None:
    """That of nginx-proxy has it as a variable."""
    companion = "{image: nginxproxy/acme-companion, environment: [DEFAULT_EMAIL=me@a.io]}"
    text = f"services: {{acme: {companion}, web: {{image: 'x:1', environment: {{VIRTUAL_HOST: a.io}}}}}}"
    project, _ = taken(tmp_path, text)
    assert project.project.email == "me@a.io"


@pytest.mark.parametrize(
    ("keys", "port", "host"),
    [
        ("labels: ['traefik.http.routers.s.rule=Host(`s3.a.io`)']", 9000, "s3.a.io"),
        ("environment: {VIRTUAL_HOST: s3.a.io, VIRTUAL_PORT: 9001}", 9001, "s3.a.io"),
        ("labels: {caddy: s3.a.io, caddy.reverse_proxy: '{{upstreams 9000}}'}", 9000, "s3.a.io"),
        ("labels: ['traefik.http.routers.s.rule=Host(`s3.a.io`) && Method(`GET`)']", 9000, None),
    ],
)
def test_a_database_with_routes_is_a_service(tmp_path: Path, keys: str, port: int, host: str | None) -> None:
    """It was a dependency, which has no routes, and the report said that they were taken over."""
    text = f"""
services:
  web: {{image: x, expose: [80], labels: ['traefik.http.routers.w.rule=Host(`a.io`)']}}
  minio: {{image: minio/minio, command: server /data, volumes: ['s3:/data'], {keys}}}
"""
    project, _ = taken(tmp_path, text)
    minio = service(project, "minio")
    assert (minio.port, [route.host for route in minio.routes]) == (port, [host] if host else [])
    assert minio.recreate
    assert not project.dependencies


def test_a_database_behind_caddy_is_a_service(tmp_path: Path) -> None:
    """Caddy stayed in front of all, since it passes requests on to something with no routes."""
    caddyfile = "a.io {\n reverse_proxy web:80\n}\ns3.a.io {\n reverse_proxy minio:9000\n}\n"
    text = """
services:
  web: {image: x}
  minio: {image: minio/minio}
  caddy: {image: caddy, ports: ['443:443'], volumes: ['./Caddyfile:/etc/caddy/Caddyfile']}
"""
    project, _ = taken(tmp_path, text, more={"Caddyfile": caddyfile})
    assert [item.name for item in project.services] == ["web", "minio"]
    minio = service(project, "minio")
    assert (minio.port, [route.host for route in minio.routes]) == (9000, ["s3.a.io"])


def test_a_database_without_routes_stays_a_dependency(tmp_path: Path) -> None:
    """A router that is off, or one for TCP, makes nothing public here."""
    labels = "[traefik.enable=false, 'traefik.http.routers.s.rule=Host(`s3.a.io`)']"
    tcp = "['traefik.tcp.routers.d.rule=HostSNI(`*`)']"
    text = f"services: {{web: {{image: x}}, minio: {{image: minio/minio, labels: {labels}}}, db: {{image: 'postgres:16', labels: {tcp}}}}}"
    project, _ = taken(tmp_path, text)
    assert [item.name for item in project.dependencies] == ["minio", "db"]


def test_two_services_that_share_a_route(tmp_path: Path) -> None:
    """Traefik shares its requests out; the file was refused, since a path belongs to one service."""
    labels = (
        "labels: ['traefik.http.routers.x.rule=Host(`a.example.org`) && PathPrefix(`/api/`)'], expose: [80]"
    )
    text = f"services: {{one: {{image: x, {labels}}}, two: {{image: x, {labels}}}}}"
    project, report = taken(tmp_path, text)
    assert [len(each.routes) for each in project.services] == [1, 0]
    assert verdicts(report)["two: routes"] is Verdict.NEEDS_YOU
    assert "replicas" in words(report, "two: routes")
