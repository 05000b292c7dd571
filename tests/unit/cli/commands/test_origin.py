"""`ftl config --origin`: the file, option or variable that gives each value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.dump import origins
from ftl.config.loading import load
from ftl.config.models.server import Server
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli

TEXT = """\
project: {name: shop, domain: '${DOMAIN}'}
server: {host: prod.example.com, user: deploy, port: 2222}
services:
  - {name: web, image: 'nginx:${TAG}', port: 80}
notify: [https://example.com/hook]
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Cli:
    """`ftl` in a folder with an ftl.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOMAIN", "shop.example.com")
    monkeypatch.setenv("TAG", "3")
    Path("ftl.yaml").write_text(TEXT)
    return cli


def places(ftl: Cli, *options: str) -> dict[str, str]:
    """Key -> place, as it is printed."""
    code, out, _ = ftl([*options, "config", "--origin"])
    assert code == 0
    lines = [re.split("  +", line, maxsplit=1) for line in out.splitlines()]
    return {value.partition(":")[0]: place for place, value in lines}


def test_the_server_of_the_command_line_names_its_option(shop: Cli) -> None:
    """It replaces the whole section: what the option does not give has its default, and no line of the file."""
    before, found = places(shop), places(shop, "--server", "bob@other")
    assert before["server.port"] == "ftl.yaml:2"
    server = {key: place for key, place in found.items() if key.startswith("server.")}
    assert server == {
        "server.host": "--server",
        "server.user": "--server",
        "server.port": "default",
        "server.keep_connection": "default",
    }
    others = [{k: v for k, v in each.items() if not k.startswith("server.")} for each in (before, found)]
    assert others[0] == others[1]
    (line,) = shop(["--server", "other", "--json", "config", "--origin"]).out.splitlines()
    origin = json.loads(line)["origin"]
    assert (origin["server.host"], "server.port" in origin) == ("--server", False)


def test_a_variable_of_the_environment_is_named(shop: Cli) -> None:
    """As one of .env has its line there; a text with a variable in it is the file's."""
    found = places(shop)
    assert found["project.domain"] == "$DOMAIN"
    assert found["services.0.image"] == "ftl.yaml:4"


def test_what_a_sandbox_changes_besides_is_the_options_too(tmp_path: Path) -> None:
    """It has certificates of its own, and sends no messages."""
    (tmp_path / "ftl.yaml").write_text(TEXT + "proxy: {image: 'caddy:2.9'}\n")
    variables = read_variables(tmp_path, {"DOMAIN": "shop.example.com", "TAG": "3"})
    files = ProjectFiles(tmp_path / "ftl.yaml", variables)
    found = origins(load(files, server=Server(host="127.0.0.1", port=2200, has_visitors=False)))
    assert (found["server.port"], found["proxy.tls"]) == ("--server", "--server")
    assert found["proxy.image"].endswith("ftl.yaml:6")
    assert not [key for key in found if key.startswith("notify.0")]
