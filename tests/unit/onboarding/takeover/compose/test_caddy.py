"""Caddy in front of the services: if it only passes requests on, it becomes routes."""

# ruff: noqa: E501 -- lines of Caddyfiles

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.compose.proxies.caddyfile import caddy_routes, of_command
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = {"app": "app", "api": "api", "app-container": "app"}
Routes = dict[str, tuple[list[tuple[str, str]], int]]


def routes(text: str) -> Routes | None:
    """Service -> its routes and port."""
    found = caddy_routes(text, {"DOMAIN": "a.io"}.get, SERVICES)  # type: ignore[arg-type]
    return (
        None
        if found is None
        else {name: (list(each.routes), each.port or 0) for name, each in found.services.items()}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.io {\n\treverse_proxy app:3000\n}\n", {"app": ([("a.io", "/")], 3000)}),
        ("a.io, www.a.io {\n reverse_proxy http://app:3000 {\n  header_up X 1\n }\n}", {"app": ([("a.io", "/"), ("www.a.io", "/")], 3000)}),
        ("a.io\nencode gzip\nreverse_proxy app-container", {"app": ([("a.io", "/")], 80)}),
        ("{\n email me@a.io\n}\n\n# a comment\n:80 {\n reverse_proxy app:3000 # here, too\n}", {"app": ([("", "/")], 3000)}),
        ("{$DOMAIN} {\n reverse_proxy app:3000\n}", {"app": ([("a.io", "/")], 3000)}),
        ("{$OTHER:b.io} {\n reverse_proxy app:3000\n}", {"app": ([("b.io", "/")], 3000)}),
        ("a.io {\n reverse_proxy /api/* api:4000\n reverse_proxy app:3000\n}", {"api": ([("a.io", "/api")], 4000), "app": ([("a.io", "/")], 3000)}),
        ("a.io {\n handle /api/* {\n  reverse_proxy api:4000\n }\n handle {\n  reverse_proxy app:3000\n }\n}", {"api": ([("a.io", "/api")], 4000), "app": ([("a.io", "/")], 3000)}),
        ("a.io {\n reverse_proxy app:3000\n}\nb.io {\n reverse_proxy app:3000\n}", {"app": ([("a.io", "/"), ("b.io", "/")], 3000)}),
        ('"a.io" {\n log\n tls me@a.io\n reverse_proxy app:3000\n}', {"app": ([("a.io", "/")], 3000)}),
    ],
)  # fmt: skip
def test_what_only_passes_requests_on(text: str, expected: Routes) -> None:
    """Hosts and prefixes of paths are routes."""
    assert routes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.io {\n file_server\n reverse_proxy /api/* api:4000\n}",
        "a.io {\n basic_auth {\n  me x\n }\n reverse_proxy app:3000\n}",
        "a.io {\n @ws path /x\n reverse_proxy @ws app:3000\n}",
        "a.io {\n reverse_proxy other:3000\n}",
        "a.io {\n reverse_proxy app:3000 api:4000\n}",
        "a.io {\n reverse_proxy app:3000\n}\nb.io {\n reverse_proxy app:3001\n}",
        "a.io/x {\n reverse_proxy app:3000\n}",
        "a_b..io {\n reverse_proxy app:3000\n}",
        "a.io {\n reverse_proxy app:3000 {\n  transport http {\n   tls\n  }\n }\n}",
        "a.io {\n reverse_proxy /a/*/b app:3000\n}",
        "(snippet) {\n encode gzip\n}\na.io {\n import snippet\n reverse_proxy app:3000\n}",
        "import sites/*\n",
        "a.io {\n reverse_proxy app:3000\n",
        "a.io {\n}\n}\n",
    ],
)
def test_what_does_more_is_not_guessed(text: str) -> None:
    """A password, files, or a form that is not known: who may reach what, the user decides."""
    assert routes(text) is None


def test_the_command_of_a_proxy() -> None:
    """`caddy reverse-proxy` needs no file."""
    command = ["caddy", "reverse-proxy", "--from", "a.io", "--to=app:3000"]
    assert routes(of_command(command)) == {"app": ([("a.io", "/")], 3000)}
    assert of_command(["caddy", "run"]) == ""


COMPOSE = """
services:
  caddy:
    image: caddy:2
    ports: ["80:80", "443:443"]
    volumes: ["./Caddyfile:/etc/caddy/Caddyfile:ro", "caddy_data:/data"]
  app: {image: "acme/app:1"}
  api: {image: "acme/api:1"}
volumes: {caddy_data: {}}
"""
CADDYFILE = """
{
    email me@example.com
}
shop.example.com {
    header Strict-Transport-Security max-age=1
    handle_path /api/* {
        reverse_proxy api:4000
    }
    reverse_proxy app:3000
}
"""


def test_a_proxy_in_front_becomes_routes(tmp_path: Path) -> None:
    """Behind FTL's it would get certificates itself, and redirect for ever."""
    project, report = taken(tmp_path, COMPOSE, more={"Caddyfile": CADDYFILE})
    assert [one.name for one in project.services] == ["app", "api"]
    assert (project.project.domain, project.project.email) == ("shop.example.com", "me@example.com")
    app, api = service(project, "app"), service(project, "api")
    assert (app.port, [(each.path, each.strip_prefix) for each in app.routes]) == (3000, [("/", False)])
    assert (api.port, [(each.path, each.strip_prefix) for each in api.routes]) == (4000, [("/api", True)])
    found = verdicts(report)
    assert found["services.caddy"] is Verdict.LEFT_OUT
    lost = [row for row in report.rows if row.key.startswith("services.caddy: header")]
    assert [row.verdict for row in lost] == [Verdict.NEEDS_YOU]


@pytest.mark.parametrize("caddyfile", ["shop.example.com {\n file_server\n}\n", ""])
def test_a_proxy_that_does_more_needs_you(tmp_path: Path, caddyfile: str) -> None:
    """It stays, with what it must not do."""
    more = {"Caddyfile": caddyfile} if caddyfile else {}
    text = COMPOSE if caddyfile else COMPOSE.replace("./Caddyfile:/etc/caddy/Caddyfile:ro", "./c:/etc/x")
    project, report = taken(tmp_path, text, more=more)
    assert "caddy" in [one.name for one in project.services]
    assert verdicts(report)["services.caddy: Caddy"] is Verdict.NEEDS_YOU
    assert "`http://` addresses" in words(report, "services.caddy: Caddy")


def test_files_behind_another_proxy_stay(tmp_path: Path) -> None:
    """Caddy as a server of files publishes no certificate's port: nothing is said."""
    text = 'services: {web: {image: "caddy:2", ports: ["8080:80"]}}'
    project, report = taken(tmp_path, text)
    assert service(project).port == 80
    assert not [row for row in report.rows if row.key.endswith(": Caddy")]
