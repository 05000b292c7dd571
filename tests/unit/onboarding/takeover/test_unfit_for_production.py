"""Values that do not belong into production: development servers, passwords in clear."""

# ruff: noqa: E501 -- Compose files, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        ("command: npm run dev", "command"),
        ("command: [yarn, dev, --host]", "command"),
        ("command: python manage.py runserver 0.0.0.0:8000", "command"),
        ("command: uvicorn app:app --reload", "command"),
        ("command: sh -c 'pnpm install && pnpm run dev'", "command"),
        ("command: 'npx vite --host'", "command"),
        ("entrypoint: [nodemon, app.js]", "entrypoint"),
        ("command: flask --app shop run", "command"),
        ("environment: {NODE_ENV: development}", "environment: NODE_ENV"),
        ("environment: ['RAILS_ENV=${RAILS_ENV:-development}']", "environment: RAILS_ENV"),
        ("environment: {DEBUG: 'True'}", "environment: DEBUG"),
        ("environment: {ASPNETCORE_ENVIRONMENT: Development}", "environment: ASPNETCORE_ENVIRONMENT"),
        ("build: {context: ., target: development}", "build.target"),
        ("build: {context: ., target: app-dev}", "build.target"),
    ],
)
def test_what_is_for_development_needs_you(tmp_path: Path, keys: str, row: str) -> None:
    """It was taken for production: a server that reloads, and shows errors to whoever asks."""
    image = "" if "build:" in keys else "build: ., "
    _, report = taken(tmp_path, f"services: {{web: {{{image}{keys}}}}}")
    assert verdicts(report)[f"services.web.{row}"] is Verdict.NEEDS_YOU
    assert "for development" in words(report, f"services.web.{row}")
    assert f"TO DO {row}: " in (tmp_path / "ftl.yaml").read_text()


@pytest.mark.parametrize(
    "keys",
    [
        "command: npm run start",
        "command: gunicorn app.wsgi",
        "command: npm run device",
        "command: node --watchdog x.js",
        "command: vite preview --host",
        "command: /opt/air-quality",
        "environment: {NODE_ENV: production, DEBUG: 'app:*', APP_ENV: staging}",
        "build: {context: ., target: run}",
    ],
)
def test_what_is_for_production_needs_nobody(tmp_path: Path, keys: str) -> None:
    """Names that only look alike."""
    image = "" if "build:" in keys else "build: ., "
    _, report = taken(tmp_path, f"services: {{web: {{{image}{keys}}}}}")
    assert not [row for row in report.rows if "for development" in row.text]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "sk_live_1"),
        ("MYSQL_PASSWORD", "secretpw"),
        ("X_TOKEN", "abc"),
        ("DATABASE_URL", "postgres://u:pw@db/x"),
    ],
)
def test_a_password_in_clear_needs_you(tmp_path: Path, name: str, value: str) -> None:
    """The file is for git; its value is not in the report."""
    text = f"services: {{web: {{image: x, environment: {{{name}: '{value}'}}}}}}"
    _, report = taken(tmp_path, text)
    assert verdicts(report)["web: env"] is Verdict.NEEDS_YOU
    assert value not in words(report, "web: env")
    assert f"{name}: ${{{name}}}" in words(report, "web: env")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "${API_KEY}"), ("PASSWORD_FILE", "/run/x"), ("DB_PASSWORD", "/run/secrets/x"), ("ALLOW_EMPTY_PASSWORD", "yes"),
        ("DATABASE_URL", "postgres://u:${PW}@db/x"), ("DATABASE_URL", "postgres://db/x"), ("KEYBOARD", "de"),
    ],
)  # fmt: skip
def test_what_is_no_password_in_clear(tmp_path: Path, name: str, value: str) -> None:
    """A variable, a path and a switch need nobody."""
    text = f"services: {{web: {{image: x, environment: {{{name}: '{value}'}}}}}}"
    _, report = taken(tmp_path, text, environment={"API_KEY": "1", "PW": "2"})
    assert "web: env" not in verdicts(report)
