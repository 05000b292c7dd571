"""Services of Compose that end by themselves, without a word that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "keys",
    [
        "command: cp -r /app/build/. /static/",
        "command: [cp, -r, /app/build/., /static/]",
        "command: sh -c 'npm ci && cp -r dist/. /static'",
        "entrypoint: [/bin/sh, -c], command: ['mc alias set s3 http://s3:9000; mc mb s3/files; exit 0;']",
        'entrypoint: /bin/sh -c "mc mb s3/files; exit 0; "',
        "command: python manage.py migrate --noinput",
        "command: bundle exec rails db:migrate",
        "command: alembic upgrade head",
    ],
)
def test_a_command_that_ends_needs_you(tmp_path: Path, keys: str) -> None:
    """Compose starts it once; here it was started for ever, and no deploy ended well."""
    project, report = taken(tmp_path, f"services: {{files: {{image: x, {keys}}}, web: {{image: y}}}}")
    key = "command" if "command" in keys else "entrypoint"
    assert verdicts(report)[f"services.files.{key}"] is Verdict.NEEDS_YOU
    assert service(project, "files").restart == "no"


@pytest.mark.parametrize(
    "keys",
    [
        "command: python manage.py runserver_plus",
        "command: sh -c 'python manage.py migrate && gunicorn app.wsgi'",
        "command: cp-server --port 80",
        "command: sh -c 'cp a b; exec nginx'",
        "command: npm start",
        "command: [cp, a, b], restart: always",
        "entrypoint: [tini, --], command: serve",
    ],
)
def test_a_command_that_goes_on_is_taken_over(tmp_path: Path, keys: str) -> None:
    """A server whose first command copies something is one."""
    project, report = taken(tmp_path, f"services: {{web: {{image: x, {keys}}}}}")
    assert verdicts(report)["services.web.command"] is Verdict.TAKEN
    assert service(project).restart == "always"


@pytest.mark.parametrize(
    "one",
    ["migrations: {image: x, command: /start-migrations}", "cli: {image: x, entrypoint: /bin/sh, tty: true}"],
)
def test_a_name_and_a_shell_without_a_terminal_say_it(tmp_path: Path, one: str) -> None:
    """A script's name says nothing; the name of the service does. A shell ends where nobody types."""
    _, report = taken(tmp_path, f"services: {{{one}, web: {{image: y}}}}")
    assert Verdict.NEEDS_YOU in verdicts(report).values()
