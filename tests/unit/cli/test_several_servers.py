"""Commands and a project with several servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli

FILE = """\
project: {name: shop, domain: shop.example.com}
servers:
  - {host: a.example.invalid, user: deploy}
  - {host: b.example.invalid, roles: [worker]}
services:
  - {name: web, image: nginx, port: 80, on: web, routes: [/]}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a project with two servers."""
    (tmp_path / "ftl.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        ["audit"],
        ["exec", "web", "--", "true"],
        ["jobs"],
        ["logs"],
        ["maintenance", "on"],
        ["prune"],
        ["releases"],
        ["run", "web", "--", "true"],
        ["servers"],
        ["servers", "drain", "b.example.invalid"],
        ["status"],
        ["status", "--watch"],
        ["stop"],
    ],
)
def test_every_command_knows_several_servers(cli: Cli, command: list[str]) -> None:
    """It connects to them without being told which one."""
    outcome = cli(command)
    assert outcome.code == 3
    assert "there is no host named" in outcome.err


@pytest.mark.parametrize("command", [["servers"], ["servers", "drain", "a.example.invalid"]])
def test_one_server_is_no_cluster(cli: Cli, tmp_path: Path, command: list[str]) -> None:
    """There is nothing to list, and no other server that would take its tasks."""
    (tmp_path / "ftl.yaml").write_text(
        FILE.replace("servers:", "server: a.example.invalid")
        .replace("  - {host: a.example.invalid, user: deploy}\n", "")
        .replace("  - {host: b.example.invalid, roles: [worker]}\n", "")
        .replace("on: web, ", "")
    )
    outcome = cli(command)
    assert outcome.code == 2
    assert "shop has one server" in outcome.err


def test_a_host_that_is_none_of_the_servers(cli: Cli) -> None:
    """--server chooses among the servers of the file; another one would be deployed to halfway."""
    outcome = cli(["logs", "--server", "c.example.invalid"])
    assert outcome.code == 2
    assert "c.example.invalid is not one of the servers of shop" in outcome.err


def test_a_watch_that_takes_back_is_refused_before_it_connects(cli: Cli) -> None:
    """Nothing is built for a release that nobody could take back."""
    outcome = cli(["deploy", "--watch", "5m"])
    assert outcome.code == 2
    assert "--watch cannot take a release back on several servers" in outcome.err


def test_the_configuration_needs_no_server(cli: Cli) -> None:
    """What works on the file alone works with several servers, too."""
    outcome = cli(["validate", "--json"])
    assert outcome.code == 0
    assert outcome.result["servers"] == ["a.example.invalid", "b.example.invalid"]
    assert [server["host"] for server in cli(["config", "--json"]).result["config"]["servers"]] == [
        "a.example.invalid",
        "b.example.invalid",
    ]
