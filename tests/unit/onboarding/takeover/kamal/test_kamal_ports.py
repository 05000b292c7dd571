"""Ports of Kamal's accessories, which it publishes on the server under a fixed number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "service: shop\nimage: acme/shop\nservers: [192.0.2.1]\n"
ROW = "accessories.db.port"


@pytest.mark.parametrize(
    ("port", "verdict", "said"),
    [
        ('"127.0.0.1:5432:5432"', Verdict.CHANGED, "a free port, no longer 5432"),
        ('"[::1]:15432:5432"', Verdict.CHANGED, "a free port, no longer 15432"),
        ("5432", Verdict.NEEDS_YOU, 'port 5432 on all addresses of the server; .*forwards: ["5432:5432"]'),
        ('"5432:5432"', Verdict.NEEDS_YOU, 'on all addresses of the server; .*forwards: ["5432:5432"]'),
        (
            '"10.0.0.5:15432:5432"',
            Verdict.NEEDS_YOU,
            'port 15432 on 10.0.0.5; .*forwards: ["10.0.0.5:15432:5432"]',
        ),
        ('"0.0.0.0:5432:5432"', Verdict.NEEDS_YOU, 'on 0.0.0.0; .*forwards: ["5432:5432"]'),
        ('"5432:5432/udp"', Verdict.NEEDS_YOU, "`ports` of a dependency are TCP"),
        ('"a:5432"', Verdict.NEEDS_YOU, "`a:5432` is not a port"),
    ],
)
def test_a_fixed_port_of_the_server(tmp_path: Path, port: str, verdict: Verdict, said: str) -> None:
    """Who uses it: the project by its name, you by a tunnel; another machine only by a service's forwards."""
    text = f"{HEAD}accessories: {{db: {{image: postgres:16, host: 192.0.2.1, port: {port}}}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert project.dependencies[0].ports == (5432,)
    assert verdicts(report)[ROW] is verdict
    row = words(report, ROW)
    assert all(part in row for part in said.split(".*")), row
    assert (f"# TO DO port: {row}" in (tmp_path / "ftl.yaml").read_text()) == (
        verdict is Verdict.NEEDS_YOU and "is not a port" not in row
    )


def test_what_the_row_says_can_be_written(tmp_path: Path) -> None:
    """A service of the database's image with that forward."""
    text = f"{HEAD}accessories: {{db: {{image: postgres:16, host: 192.0.2.1, port: '10.0.0.5:5432:5432'}}}}\n"
    taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    written = (tmp_path / "ftl.yaml").read_text()
    service = '  - {name: db, image: "postgres:16", forwards: ["10.0.0.5:5432:5432"], recreate: true}\n'
    (tmp_path / "x.yaml").write_text(
        written.replace("services:\n", f"services:\n{service}").split("dependencies:")[0]
    )
    project, _ = taken(tmp_path, "x.yaml", {})
    assert project.services[0].forwards


def test_a_port_that_the_app_uses_by_the_servers_address(tmp_path: Path) -> None:
    """The app is who uses it, and has the name of the dependency now."""
    text = f"{HEAD}env: {{clear: {{DB_HOST: 192.0.2.9}}}}\n"
    text += "accessories: {db: {image: postgres:16, host: 192.0.2.9, port: 5432}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert verdicts(report)[ROW] is Verdict.CHANGED
    assert project.services[0].env["DB_HOST"] == "db"


def test_a_port_of_an_accessory_that_the_proxy_serves(tmp_path: Path) -> None:
    """It is a service, which can publish it as Kamal did; 80 and 443 belong to the proxy."""
    proxy = "proxy: {host: m.example.com, app_port: 9000}"
    text = f"{HEAD}accessories:\n  a: {{image: a, host: 192.0.2.1, port: '9100:9100', {proxy}}}\n"
    text += f"  b: {{image: b, host: 192.0.2.1, port: '80:80', {proxy.replace('m.', 'n.')}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert [str(service.forwards) for service in project.services[1:]] == ["('9100:9100',)", "()"]
    assert words(report, "accessories.b.port").startswith("the proxy listens there")
