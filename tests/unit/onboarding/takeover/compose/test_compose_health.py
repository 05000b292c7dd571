"""Health checks of PostgreSQL: without a shell, or with a first process that reaps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.takeover.compose.taking_over import taken
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("test", "cmd", "init"),
    [
        ('["CMD-SHELL", "pg_isready -U notes"]', ("pg_isready", "-U", "notes"), False),
        ('"pg_isready -U notes || exit 1"', ("pg_isready", "-U", "notes"), False),
        ('["CMD-SHELL", "pg_isready -U ${POSTGRES_USER}"]', ("pg_isready", "-U", "u"), False),
        ('["CMD", "pg_isready", "-U", "notes"]', ("pg_isready", "-U", "notes"), False),
        ('["CMD-SHELL", "pg_isready -U $$POSTGRES_USER"]', "pg_isready -U $POSTGRES_USER", True),
        ('["CMD-SHELL", "psql -U notes -c \'select 1\'"]', "psql -U notes -c 'select 1'", True),
    ],
)
def test_postgresql(tmp_path: Path, test: str, cmd: object, init: bool) -> None:
    """As the guide has it: what is left of a shell counts as a crash of the database."""
    text = f"services: {{web: {{build: .}}, db: {{image: 'postgres:16', healthcheck: {{test: {test}}}}}}}"
    project, report = taken(tmp_path, text)
    database = project.dependencies[0]
    assert database.container.health_check is not None
    assert (database.container.health_check.cmd, database.init) == (cmd, init)
    row = words(report, "services.db.healthcheck")
    assert ("with `init: true`" in row) is init


def test_a_dollar_of_env_and_the_restart_policy(tmp_path: Path) -> None:
    """`$NAME` in .env is a variable for Compose alone; `always` is what FTL does without the key."""
    more = {".env": "A=x$HOME\nB='x$HOME'\nC=x${A}\nD=x$$HOME\nE=$5\n"}
    text = "services: {web: {build: ., restart: unless-stopped}, job: {build: ., restart: always}}"
    _, report = taken(tmp_path, text, more=more)
    rows = [row.key for row in report.rows if row.key.startswith(".env: ")]
    assert rows == [".env: A"]
    assert "write `${NAME}` if it is one" in words(report, ".env: A")
    assert words(report, "services.web.restart").startswith("`always` is FTL's default")
    assert words(report, "services.job.restart") == "it is the default"
