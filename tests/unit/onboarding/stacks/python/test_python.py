"""Python apps: lock files, servers that fit the app, and guesses that are comments."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.apps import MANAGE
from tests.unit.onboarding.dockerfile_faults import faults
from tests.unit.onboarding.odd_apps import using

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.onboarding.conftest import Begin

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
PROJECT = '[project]\nname = "x"\ndependencies = ["fastapi"]\n'


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"Pipfile": '[packages]\nflask = "*"\n', "app.py": FLASK}, "COPY Pipfile ./\n# There is no lock file: `pipenv lock` makes builds repeatable.\n"),
        ({"Pipfile": '[packages]\nflask = "*"\n', "app.py": FLASK}, "VIRTUAL_ENV=/venv pipenv install\n"),
        ({"pyproject.toml": PROJECT, "pdm.lock": "", "main.py": "app = FastAPI()\n"}, "VIRTUAL_ENV=/venv pdm sync --prod --no-self --no-editable\n"),
        ({"requirements.txt": "flask\nuwsgi\n", "app.py": FLASK}, "--no-install-recommends gcc libc6-dev\n"),
        ({"requirements.txt": "flask\nflask-socketio\n", "app.py": FLASK}, '"--workers", "1", "--threads", "100", "app:app"'),
        ({"requirements.txt": "flask\nflask-socketio\neventlet\n", "app.py": FLASK}, '"--worker-class", "eventlet", "--workers", "1", "app:app"'),
        ({"requirements.txt": "fastapi\n", "app/main.py": "def create_app() -> FastAPI:\n    return FastAPI()\n"}, '"uvicorn", "--factory", "app.main:create_app", '),
        ({"requirements.txt": "fastapi\n", "app/main.py": "def create_app() -> FastAPI: ...\napp = create_app()\n"}, '"uvicorn", "app.main:app", '),
    ],
)  # fmt: skip
def test_lines_of_the_dockerfile(begin: Begin, files: Mapping[str, str], line: str) -> None:
    """The installer is that of the lock file, and the server one that the app works with."""
    text = begin(files)[0].files["Dockerfile"]
    assert line in text
    assert faults(text) == []


@pytest.mark.parametrize(
    ("files", "guess"),
    [
        ({"requirements.txt": "flask\n", "x.py": "import flask\n"}, 'CMD ["gunicorn", "--bind", "0.0.0.0:8000", "--workers", "2", "app:app"]'),
        ({"requirements.txt": "fastapi\n"}, 'CMD ["uvicorn", "main:app"'),
        ({"requirements.txt": "django\n", "manage.py": MANAGE.replace("shop.settings", "x")}, 'CMD ["gunicorn"'),
        ({"requirements.txt": "flask\n", "app.py": FLASK}, ""),
        ({"requirements.txt": "flask\n", "Procfile": "web: gunicorn x:y\n"}, ""),
    ],
)  # fmt: skip
def test_a_guess_is_a_comment_at_its_line(begin: Begin, files: Mapping[str, str], guess: str) -> None:
    """Who looks at the Dockerfile sees what to check."""
    start, _ = begin(files)
    text = start.files["Dockerfile"]
    above, _, command = text.rpartition("\n# A guess: nothing names the app, so check CMD of the Dockerfile")
    assert bool(above) is bool(guess)
    assert command.partition("\n")[2].startswith(guess) or not guess
    (fact,) = [fact for fact in start.facts if fact.subject == "start command"]
    assert fact.sure is not bool(guess)


@pytest.mark.parametrize(
    ("files", "hook"),
    [
        ({**using("express", "knex", start="node a.js"), "src/db/migrations/1.js": "", "src/knexfile.js": ""}, "knex migrate:latest --knexfile src/knexfile.js"),
        ({**using("express", "knex", start="node a.js"), "migrations/1.js": "", "knexfile.js": ""}, "knex migrate:latest"),
    ],
)  # fmt: skip
def test_migrations_below_the_sources(begin: Begin, files: Mapping[str, str], hook: str | None) -> None:
    """They were not found there."""
    hooks = begin(files)[1].services[0].hooks
    assert (hooks.pre.remote if hooks.pre else None) == hook


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ({"migrations/1_a.up.sql": "", "migrations/1_a.down.sql": ""}, "golang-migrate"),
        ({"db/migrations/1.sql": "-- +goose Up\n"}, "goose"),
        (
            {
                "db/migrations/1.sql": "-- +goose Up\n",
                "db.go": "package main\nfunc x() { goose.Up(db, dir) }\n",
            },
            "",
        ),
        ({"db/migrations/1.sql": "select 1"}, ""),
    ],
)
def test_migrations_of_go_are_a_thing_to_do(begin: Begin, files: Mapping[str, str], tool: str) -> None:
    """The image has no program for them."""
    main = 'package main\nfunc main() { http.ListenAndServe(":8080", nil) }\n'
    start, _ = begin({"go.mod": "module x\n\ngo 1.24\n", "main.go": main, **files})
    told = [text for text in start.todo if "whose program the image lacks" in text]
    assert len(told) == bool(tool)
    assert all(f" is of {tool}, " in text for text in told)


def test_public_files_of_laravel_are_linked(begin: Begin) -> None:
    """As `php artisan storage:link` does on a server."""
    required = {"php": "^8.3", "laravel/framework": "^12"}
    text = begin({"composer.json": json.dumps({"require": required})})[0].files["Dockerfile"]
    assert "RUN ln -sfn ../storage/app/public public/storage\n" in text.partition("FROM base\n")[0]


def test_maven_gets_all_files(begin: Begin) -> None:
    """Its plugins read others than those in `src`."""
    text = begin({"pom.xml": "<artifactId>spring-boot-starter-web</artifactId>"})[0].files["Dockerfile"]
    assert "dependency:go-offline\nCOPY . .\n" in text


@pytest.mark.parametrize(
    ("procfile", "code", "expected"),
    [
        ("web: python server.py\nworker: python -u bot.py", "", [True, True]),
        ("web: gunicorn app:app\nworker: TZ=UTC python3 bot.py", "", [False, True]),
        ("web: python -u -m uvicorn app:app\nworker: celery -A app worker", "", [False, False]),
        ("web: flask --app app run --port $PORT\nworker: cd x && python bot.py", "", [True, True]),
        ("web: python server.py", "signal.signal(signal.SIGTERM, stop)\n", [False]),
    ],
)
def test_plain_python_gets_a_first_process(
    begin: Begin, procfile: str, code: str, expected: list[bool]
) -> None:
    """As process 1 it does not react to SIGTERM: each deploy would wait until it is killed."""
    app = {"requirements.txt": "", "app.py": FLASK, "server.py": code, "bot.py": "", "Procfile": procfile}
    assert [service.init for service in begin(app)[1].services] == expected
