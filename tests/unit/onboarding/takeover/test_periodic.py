"""Periodic processes: never two at a time, wherever they were written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.periodic import is_periodic
from tests.unit.onboarding.takeover.compose.taking_over import taken
from tests.unit.onboarding.takeover.test_others import taken as taken_other

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin


PERIODIC = [
    ("beat", "anything"), ("celery-beat", "x"), ("clock", "node clock.js"), ("x", "celery -A shop beat -l info"),
    ("x", "celery -A shop worker -B"), ("x", "php artisan schedule:work"), ("x", "bundle exec clockwork clock.rb"),
    ("x", "supercronic /etc/crontab"), ("x", "crond -f"), ("x", "cron -f"), ("x", "rqscheduler"),
    ("celerybeat", "x"), ("x", "/app/compose/django/celery/beat/start"), ("x", "/start-celerybeat"),
]  # fmt: skip


OTHERS = [
    ("worker", "celery -A shop worker"),
    ("heartbeat", "x"),
    ("x", "node micron.js"),
    ("x", "celery -A shop worker -Q cron"),
    ("x", "celery -A shop worker -Q beat"),
    ("x", "./bin/heartbeat"),
    ("x", "celery -A shop worker --queues beat"),
    ("x", "bundle exec sidekiq -q cron -q default"),
    ("x", "celery -A shop worker -Q web,cron"),
    ("beats", "x"),
    ("x", "rq worker"),
]


@pytest.mark.parametrize(("name", "line"), PERIODIC)
def test_two_clocks_never_run_side_by_side(tmp_path: Path, begin: Begin, name: str, line: str) -> None:
    """Whichever file says it: Compose's, a Procfile, fly.toml, Kamal's, or what `ftl init` finds."""
    assert is_periodic(name, line)
    project, _ = taken(
        tmp_path / "compose", f"services: {{web: {{image: x}}, {name}: {{image: x, command: '{line}'}}}}"
    )
    assert [item.recreate for item in project.services] == [False, True]
    files = {
        "Procfile": f"web: serve\n{name}: {line}\n",
        "fly.toml": f"[processes]\nweb = 'serve'\n{name} = '{line}'\n",
        "deploy.yml": f"service: a\nservers: {{web: [h.io], {name}: {{hosts: [h.io], cmd: '{line}'}}}}\n",
    }
    for source in files:
        other, _ = taken_other(tmp_path / source, source, files)
        assert [item.recreate for item in other.services] == [False, True]
    app = {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n"}
    _, found = begin({**app, "Procfile": files["Procfile"]})
    assert [item.recreate for item in found.services] == [False, True]


@pytest.mark.parametrize(("name", "line"), OTHERS)
def test_other_processes_are_replaced_without_a_gap(name: str, line: str) -> None:
    """Names and programs that only look like a clock's."""
    assert not is_periodic(name, line)
