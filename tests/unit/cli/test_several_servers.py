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


@pytest.mark.parametrize("command", [["restore", "db", "x"], ["maintenance", "on"], ["prune"]])
def test_a_command_that_knows_one_server_refuses_several(cli: Cli, command: list[str]) -> None:
    """It ends with 2 before it connects, also with --server, and names the commands that do work."""
    for arguments in (command, ["--server", "b.example.invalid", *command]):
        outcome = cli(arguments)
        assert outcome.code == 2
        assert "does not work with several servers yet, and shop has 2" in outcome.err
        assert "`validate`" in outcome.err


def test_a_reading_command_asks_which_server(cli: Cli) -> None:
    """It shows one of them, and names those that --server takes."""
    outcome = cli(["logs"])
    assert outcome.code == 2
    assert "add `--server HOST`, with one of a.example.invalid, b.example.invalid" in outcome.err


def test_a_host_that_is_none_of_the_servers(cli: Cli) -> None:
    """--server chooses among the servers of the file; another one would be deployed to halfway."""
    outcome = cli(["logs", "--server", "c.example.invalid"])
    assert outcome.code == 2
    assert "c.example.invalid is not one of the servers of shop" in outcome.err


def test_the_configuration_needs_no_server(cli: Cli) -> None:
    """What works on the file alone works with several servers, too."""
    outcome = cli(["validate", "--json"])
    assert outcome.code == 0
    assert outcome.result["servers"] == ["a.example.invalid", "b.example.invalid"]
    assert [server["host"] for server in cli(["config", "--json"]).result["config"]["servers"]] == [
        "a.example.invalid",
        "b.example.invalid",
    ]
