"""URLs of this machine in a Compose file's environment: the public address in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
services:
  web:
    image: x:1
    ports: ["3000:3000"]
    labels: {LABELS}
    environment: {A: "{VALUE}"}
  api: {image: "y:1", ports: ["8000:80"]}
  db: {image: "postgres:16", ports: ["5432:5432"]}
"""
LABELS = "['traefik.http.routers.a.rule=Host(`a.io`)']"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("http://localhost:3000", "https://a.io"),
        ("http://localhost:3000/callback", "https://a.io/callback"),
        ("https://127.0.0.1:3000", "https://a.io"),
        ("ws://localhost:3000/ws", "wss://a.io/ws"),
        ("http://localhost:3000,http://localhost:3000/x", "https://a.io,https://a.io/x"),
        ("http://localhost:9999", "http://localhost:9999"),
        ("http://localhost", "http://localhost"),
        ("http://localhost.example.com:3000", "http://localhost.example.com:3000"),
        ("postgres://localhost:3000", "postgres://localhost:3000"),
    ],
)
def test_the_address_of_the_public_service(tmp_path: Path, value: str, written: str) -> None:
    """Browsers of others have nothing at localhost."""
    text = TEXT.replace("{LABELS}", LABELS).replace("{VALUE}", value)
    project, report = taken(tmp_path, text)
    assert service(project).env == {"A": written}
    assert ("services.web.environment: A" in verdicts(report)) is (value != written)


def test_the_address_of_another_service(tmp_path: Path) -> None:
    """Whether browsers or containers use it, the user knows."""
    text = TEXT.replace("{LABELS}", LABELS).replace("{VALUE}", "http://localhost:8000/v1")
    project, report = taken(tmp_path, text)
    assert service(project).env == {"A": "http://localhost:8000/v1"}
    assert verdicts(report)["services.web.environment: A"] is Verdict.NEEDS_YOU
    assert "http://api:80 for containers" in words(report, "services.web.environment: A")
    assert "TO DO environment: A: http://localhost:8000" in (tmp_path / "ftl.yaml").read_text()


def test_a_domain_that_is_not_known(tmp_path: Path) -> None:
    """A placeholder in a value would be forgotten."""
    text = TEXT.replace("{LABELS}", "[]").replace("{VALUE}", "http://localhost:3000")
    project, report = taken(tmp_path, text)
    assert service(project).env == {"A": "http://localhost:3000"}
    assert verdicts(report)["services.web.environment: A"] is Verdict.NEEDS_YOU


def test_arguments_of_a_build(tmp_path: Path) -> None:
    """A bundler writes them into what browsers get."""
    text = (
        "services:\n  web:\n    build: {context: ., args: {API: 'http://localhost:80'}}\n    ports: ['80:80']\n"
        f"    labels: {LABELS}\n"
    )
    project, _ = taken(tmp_path, text)
    build = service(project).build
    assert build is not None
    assert build.args == {"API": "https://a.io"}


def test_an_address_that_the_program_listens_on_is_no_url(tmp_path: Path) -> None:
    """0.0.0.0 there became the public address, at which nothing can listen."""
    env = "{X_LISTENERS: 'http://0.0.0.0:8081', LISTEN_ADVERTISED: 'http://localhost:8081'}"
    text = f"services: {{web: {{image: x, ports: ['8081:8081'], environment: {env}}}}}"
    _, report = taken(tmp_path, text)
    found = [row.key for row in report.rows if row.key.startswith("services.web.environment: ")]
    assert found == ["services.web.environment: LISTEN_ADVERTISED"]
