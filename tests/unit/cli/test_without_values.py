"""Commands where a variable of ftl.yaml has no value, and without the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli

PROJECT = """\
project: {name: shop, domain: "${DOMAIN}"}
server: {host: 127.0.0.1, port: 9, keep_connection: 0}
services:
  - {name: web, build: ., port: 80, env_file: .env, env: {KEY: "${KEY}"}, routes: [{path: /}]}
dependencies:
  - postgres:16
jobs:
  - {name: nightly, service: web, command: "clean ${KEY}", schedule: "0 3 * * *"}
registries:
  - {server: registry.test, username: me, password: "${KEY}"}
"""

LOOKING = (
    "audit",
    "backup postgres",
    "backup --list",
    "exec web true",
    "jobs",
    "jobs run nightly",
    "logs",
    "logs nowhere",
    "logs --job nightly",
    "logs --proxy web",
    "maintenance on",
    "prune",
    "releases",
    "remove --yes",
    "restart",
    "restore postgres a.dump --yes",
    "restore postgres --from-server latest --drill",
    "rollback",
    "run web true",
    "scale web=2",
    "start",
    "status",
    "status --watch",
    "stop",
    "tunnels",
)
PLANNING = ("build", "config", "deploy", "plan", "validate")
OUT_OF_REACH = 3


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, on a machine without an engine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    (tmp_path / "a.dump").write_bytes(b"PGDMP" + b"x" * 600)
    return tmp_path


@pytest.mark.parametrize("line", LOOKING)
def test_what_runs_needs_no_value_that_only_a_deploy_needs(cli: Cli, line: str) -> None:
    """Each command gets as far as its server, which is out of reach here."""
    Path("ftl.yaml").write_text(PROJECT)
    outcome = cli(line.split())
    assert (outcome.code, "is not set:" in outcome.err) == (OUT_OF_REACH, False), outcome


@pytest.mark.parametrize("line", LOOKING)
def test_the_server_and_the_name_are_enough(cli: Cli, line: str) -> None:
    """Without the file; the group of a command takes the name, too."""
    words = line.split()
    at = 2 if words[0] == "maintenance" else 1
    words[at:at] = ["--project", "shop"]
    outcome = cli(["--server", "127.0.0.1:9", *words])
    assert outcome.code == OUT_OF_REACH, outcome
    without = cli(words)
    assert (without.code, "--project needs the server that it is on" in without.err) == (2, True)


@pytest.mark.parametrize("line", [*LOOKING, *PLANNING])
def test_a_variable_in_the_address_is_needed_by_all(cli: Cli, line: str) -> None:
    """The error names it, with its place."""
    Path("ftl.yaml").write_text(PROJECT.replace("127.0.0.1", '"${HOST}"'))
    outcome = cli(line.split())
    assert (outcome.code, "ftl.yaml:2:17" in outcome.err) == (2, True), outcome
    assert "the variable HOST is not set" in outcome.err


@pytest.mark.parametrize("line", PLANNING)
def test_what_plans_from_the_file_needs_all_values(cli: Cli, line: str) -> None:
    """Each place is named."""
    Path("ftl.yaml").write_text(PROJECT)
    outcome = cli(line.split())
    assert outcome.code == 2
    for words in ("the variable DOMAIN is not set", "the variable KEY is not set", "there is no file .env"):
        assert words in outcome.err, outcome


def test_a_status_says_what_it_goes_by(cli: Cli) -> None:
    """Where a value that it shows is missing: not the file, but what was deployed."""
    Path("ftl.yaml").write_text(PROJECT)
    err = cli(["status"]).err
    assert "what was deployed is shown: ftl.yaml:1: the variable DOMAIN is not set" in err, err
    assert "what was deployed" not in cli(["logs"]).err, "names need no domain"


def test_what_needs_no_server_needs_no_value(cli: Cli) -> None:
    """The version of the server's engine, and the list of secrets."""
    Path("ftl.yaml").write_text(PROJECT + "secrets: {KEY: {command: cat key}, OTHER: {}}\n")
    assert "127.0.0.1" in cli(["version"]).out
    listed = cli(["secrets", "list", "--json"]).result["secrets"]
    assert [(each["name"], "web" in each["used_by"]) for each in listed] == [("KEY", True), ("OTHER", False)]


def test_a_doctor_lists_what_a_deploy_would_miss(cli: Cli) -> None:
    """Beside all other findings; a variable in what it checks stays an error."""
    Path("ftl.yaml").write_text(PROJECT.replace("${DOMAIN}", "shop.test"))
    outcome = cli(["doctor"])
    assert (outcome.code, "ftl.yaml:4" in outcome.out, "KEY is not set" in outcome.out) == (3, True, True)
    assert "engine" in outcome.out, "this machine was checked"
    Path("ftl.yaml").write_text(PROJECT)
    assert (cli(["doctor"]).code, "DOMAIN is not set" in cli(["doctor"]).err) == (2, True)
