"""A Procfile beside an image that FTL makes: its commands, where the image can run them."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.onboarding.new_files import write
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.apps import package
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.dockerfile_faults import faults
from tests.unit.onboarding.odd_apps import MAIN, SERVES, using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

GO = {"go.mod": "module example.com/shop\n\ngo 1.24\n", "main.go": SERVES}
COMMANDS = {**GO, "cmd/worker/main.go": MAIN, "cmd/migrate/main.go": MAIN}
NEXT = {
    "package.json": package({"build": "next build"}, next="15"),
    "next.config.js": "x = { output: 'standalone' }",
}
SPRING = {"pom.xml": "<artifactId>spring-boot-starter-web</artifactId>"}
LARAVEL = {"composer.json": json.dumps({"require": {"php": "^8.3", "laravel/framework": "^12"}})}


@pytest.mark.parametrize(
    ("files", "web", "command"),
    [
        (NEXT, "npm start", '["node", "server.js"]'),
        (using(), "npm run preview", '["caddy", "run", "--config", "/etc/caddy/Caddyfile"]'),
        (SPRING, "java $JAVA_OPTS -Dserver.port=$PORT -jar target/shop-0.0.1.jar", '["java", "-jar", "app.jar"]'),
        (GO, "bin/shop", '["/app/app"]'),
        (GO, "bin/shop -addr :$PORT", '["/app/app", "-addr", ":8080"]'),
        (GO, "GIN_MODE=release bin/shop", '["/app/app"]'),
        (GO, "bin/other", '["/app/app"]'),
        (GO, "migrate up && bin/shop", '["/app/app"]'),
        (COMMANDS, "bin/shop", '["/app/bin/shop"]'),
        (LARAVEL, "vendor/bin/heroku-php-apache2 public/", '["frankenphp", "php-server", "--root", "public/", "--listen", ":8000"]'),
        ({"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n"}, "bin/start-nginx gunicorn app:app", '["gunicorn", "--bind", "0.0.0.0:8000", "--workers", "2", "app:app"]'),
        ({"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n", "bin/web": ""}, "bin/web", '["bin/web"]'),
    ],
)  # fmt: skip
def test_the_image_keeps_a_command_that_it_can_run(
    begin: Begin, files: Mapping[str, str], web: str, command: str
) -> None:
    """An image without the build's files and tools cannot run what Heroku runs: the deploy failed."""
    start, project = begin({**files, "Procfile": f"web: {web}\n"})
    text = start.files["Dockerfile"]
    assert f"CMD {command}\n" in text
    assert faults(text) == []
    kept = [
        fact for fact in start.facts if fact.subject == "start command" and "of the Procfile" in fact.reason
    ]
    assert len(kept) == (f"`{web}`" in str(kept))
    assert project.services[0].port == start.app.port


@pytest.mark.parametrize("files", [NEXT, SPRING, GO | {"Procfile": "web: bin/other\n"}])
def test_a_row_says_that_the_command_is_the_images(begin: Begin, files: Mapping[str, str]) -> None:
    """Nobody looks for the line of the Procfile in vain."""
    start, _ = begin({"Procfile": "web: npm start\n", **files})
    (fact,) = [fact for fact in start.facts if fact.subject == "start command"]
    assert "the image's command: it has neither the files nor the tools for `" in fact.reason


def test_processes_of_go_are_programs_of_the_image(begin: Begin) -> None:
    """There is no shell in it: hooks are lists."""
    procfile = "web: bin/shop\nworker: bin/worker -n 2\nrelease: bin/migrate up\nother: make x\n"
    start, project = begin({**COMMANDS, "Procfile": procfile})
    web, worker = project.services
    assert web.hooks.pre is not None
    assert web.hooks.pre.remote == ("/app/bin/migrate", "up")
    assert (worker.name, worker.command) == ("worker", ("/app/bin/worker", "-n", "2"))
    assert any(text.startswith("`other: make x` of the Procfile is left out") for text in start.todo)


def test_a_dockerfile_that_is_there_may_run_it(begin: Begin) -> None:
    """What is in that image is not known here."""
    files = {**GO, "Procfile": "web: bin/shop\nworker: bin/shop work\n", "Dockerfile": "FROM x\nEXPOSE 80\n"}
    _, project = begin(files)
    assert [service.command for service in project.services] == [None, ("bin/shop", "work")]


@pytest.mark.parametrize(
    ("files", "procfile", "commands"),
    [
        (NEXT, "web: npm start\n", [None]),
        (SPRING, "web: java -jar target/x.jar\n", [None]),
        (
            COMMANDS,
            "web: bin/shop -p $PORT\nworker: bin/worker\n",
            [("/app/bin/shop", "-p", "8000"), ("/app/bin/worker",)],
        ),
        (
            {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n"},
            "web: gunicorn app:app\n",
            ["gunicorn app:app"],
        ),
    ],
)
def test_from_a_procfile(
    tmp_path: Path, files: Mapping[str, str], procfile: str, commands: list[tuple[str, ...] | str | None]
) -> None:
    """`--from` writes the same Dockerfile, whose image has the last word on what it can run."""
    put_files(tmp_path, {**files, "Procfile": procfile})
    takeover = take_over([tmp_path / "Procfile"], tmp_path, {}, file="ftl.yaml")
    write(tmp_path, takeover.files, file="ftl.yaml")
    project = load(ProjectFiles(tmp_path / "ftl.yaml", read_variables(tmp_path, {})))
    assert [service.command for service in project.services] == commands


BELOW = {
    "requirements.txt": "django\ngunicorn\ncelery\n",
    "backend/manage.py": '("DJANGO_SETTINGS_MODULE", "core.settings")',
    "backend/core/settings.py": "STATIC_ROOT = 'static'\nWSGI_APPLICATION = 'core.wsgi.application'\n",
    "backend/core/wsgi.py": "",
}


@pytest.mark.parametrize(
    ("procfile", "command", "hook"),
    [
        ("web: cd backend && gunicorn core.wsgi\nrelease: cd backend && python manage.py migrate\n",
         '["sh", "-c", "cd backend && exec gunicorn core.wsgi"]', "cd backend && python manage.py migrate"),
        ("web: gunicorn --chdir backend core.wsgi\nrelease: python backend/manage.py migrate\n",
         '["gunicorn", "--chdir", "backend", "core.wsgi"]', "python backend/manage.py migrate"),
        ("web: bin/missing\n",
         '["sh", "-c", "cd backend && exec gunicorn --bind 0.0.0.0:8000 --workers 2 core.wsgi"]',
         "cd backend && python manage.py migrate --noinput"),
    ],
)  # fmt: skip
def test_commands_begin_in_the_folder_of_the_procfile(
    begin: Begin, procfile: str, command: str, hook: str
) -> None:
    """Those of `ftl init` began in the folder of manage.py, where there is no `backend`: the app did not start."""
    start, project = begin({**BELOW, "Procfile": procfile})
    text = start.files["Dockerfile"]
    places = [line for line in text.splitlines() if line.startswith(("WORKDIR", "RUN python", "USER", "CMD"))]
    assert places[-5:] == [
        "WORKDIR /app/backend",
        "RUN python manage.py collectstatic --noinput",
        "WORKDIR /app",
        "USER app",
        f"CMD {command}",
    ]
    assert faults(text) == []
    web, worker = project.services
    assert web.hooks.pre is not None
    assert web.hooks.pre.remote == hook
    assert worker.command == ("sh", "-c", "cd backend && exec celery -A core worker --loglevel info")


def test_without_a_procfile_commands_begin_where_the_code_is(begin: Begin) -> None:
    """There is nothing to go back for."""
    start, project = begin(BELOW)
    assert "WORKDIR /app\nUSER" not in start.files["Dockerfile"]
    assert project.services[1].command == ("celery", "-A", "core", "worker", "--loglevel", "info")


def test_a_procfile_above_the_only_app_is_named(begin: Begin) -> None:
    """Its commands begin in another folder than the image is built from."""
    files = {
        "api/requirements.txt": "flask\n",
        "api/app.py": "from flask import Flask\napp = Flask(__name__)\n",
    }
    start, _ = begin({**files, "Procfile": "web: cd api && gunicorn app:app\n"})
    assert [
        text for text in start.todo if text.startswith("the Procfile is not used, since the app is in api")
    ]
