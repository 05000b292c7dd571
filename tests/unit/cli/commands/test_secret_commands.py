"""Commands of a project whose secrets come from commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli

PROJECT = """\
project: {name: shop}
server: {host: 127.0.0.1, port: 9, keep_connection: 0}
secrets:
  TOKEN: {command: echo a-token-of-the-vault}
services:
  - name: web
    build: .
    port: 80
    env: {TOKEN: "${TOKEN}"}
dependencies:
  - {name: db, image: "postgres:16", env: {POSTGRES_PASSWORD: "${TOKEN}"}}
jobs:
  - {name: nightly, service: web, command: clean, schedule: "0 3 * * *"}
registries:
  - {host: registry.test, username: me, password: "${TOKEN}"}
"""

COMMANDS = (
    "audit",
    "backup db",
    "build",
    "build --explain",
    "config",
    "deploy",
    "deploy --dry-run",
    "doctor",
    "exec web true",
    "jobs",
    "jobs run nightly",
    "logs",
    "maintenance on",
    "plan",
    "preview list",
    "prune",
    "releases",
    "remove --yes",
    "restart",
    "rollback",
    "run web true",
    "scale web=2",
    "secrets get TOKEN",
    "secrets list",
    "start",
    "status",
    "stop",
    "validate",
)


@pytest.mark.parametrize("line", COMMANDS)
def test_no_command_stumbles_over_a_vault(
    cli: Cli, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command does first, the secrets' commands can run: it ends well, or with an error of the server."""
    (tmp_path / "ftl.yaml").write_text(PROJECT)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    outcome = cli(line.split())
    assert "internal error" not in outcome.err
    assert outcome.code in {0, 1, 2, 3}
