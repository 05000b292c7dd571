"""`ftl init --from Procfile`: what Heroku and Dokku keep outside of the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.env_secrets import values_in
from ftl.onboarding.takeover.report import Verdict

from .test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

APP = {
    "Procfile": "web: gunicorn shop.wsgi\nworker: celery -A shop worker\n",
    "requirements.txt": "django\ngunicorn\ncelery[redis]\npsycopg[binary]\n",
    "manage.py": "import os, django\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/settings.py": """import environ
env = environ.Env()
SECRET_KEY = env("SECRET_KEY")
DATABASES = {"default": env.db()}
""",
}


def test_databases_by_the_clients_of_the_app(tmp_path: Path) -> None:
    """Each process gets their addresses, and the new .env the password: the Procfile names no addon."""
    project, report = taken(tmp_path, "Procfile", APP)
    assert [dependency.name for dependency in project.dependencies] == ["postgres", "redis"]
    for service in project.services:
        assert service.env["DATABASE_URL"].endswith("@postgres:5432/postgres")
        assert service.env["REDIS_URL"] == "redis://redis:6379/0"
    assert set(values_in(tmp_path)) == {"POSTGRES_PASSWORD"}
    rows = {row.key: row for row in report.rows}
    assert rows["dependency postgres"].verdict is Verdict.NEEDS_YOU
    assert "psycopg among the dependencies: the dependency postgres, and DATABASE_URL in `env`; take" in (
        rows["dependency postgres"].text
    )
    assert rows["dependency redis"].verdict is Verdict.CHANGED


def test_config_vars_are_not_in_the_file(tmp_path: Path) -> None:
    """A row says where they are, and which of them the code cannot do without."""
    _, report = taken(tmp_path, "Procfile", APP)
    row = next(row for row in report.rows if row.key == "config vars")
    assert row.verdict is Verdict.NEEDS_YOU
    assert "`heroku config`" in row.text
    assert row.text.endswith("the code needs SECRET_KEY")


def test_addons_say_which_databases_there_are(tmp_path: Path) -> None:
    """With addons in app.json no client of the app counts, nor config vars with its `env`."""
    given = '{"addons": ["heroku-redis:mini"], "env": {"SECRET_KEY": {"generator": "secret"}}}'
    project, report = taken(tmp_path, "Procfile", {**APP, "app.json": given})
    assert [dependency.name for dependency in project.dependencies] == ["redis"]
    assert verdicts(report)["addons: heroku-redis:mini"] is Verdict.CHANGED
    assert "config vars" not in verdicts(report)


@pytest.mark.parametrize(
    ("addon", "dependency", "variable"),
    [
        ('"heroku-postgresql:mini"', "postgres", "DATABASE_URL"),
        ('{"plan": "heroku-postgresql:mini", "as": "USERS_DB"}', "postgres", "USERS_DB_URL"),
        ('"rediscloud:30"', "redis", "REDISCLOUD_URL"),
        ('"stackhero-redis:ist-m4euc0"', "redis", "STACKHERO_REDIS_URL_TLS"),
        ('"ah-redis-stackhero"', "redis", "STACKHERO_REDIS_URL_CLEAR"),
        ('{"plan": "stackhero-redis", "as": "CACHE"}', "redis", "CACHE_URL_CLEAR"),
        ('"jawsdb:kitefin"', "mysql", "JAWSDB_URL"),
        ('"cleardb"', "mysql", "CLEARDB_DATABASE_URL"),
        ('"mongolab"', "mongodb", "MONGODB_URI"),
        ('"memcachier:dev"', "memcached", "MEMCACHIER_SERVERS"),
        ('"cloudamqp:lemur"', "rabbitmq", "CLOUDAMQP_URL"),
        ('{"plan": "memcachier:dev", "as": "CACHE"}', "memcached", "CACHE_SERVERS"),
        ('{"plan": "mongolab", "as": "DOCS"}', "mongodb", "DOCS_URI"),
        ('"bonsai:sandbox"', "elasticsearch", "BONSAI_URL"),
    ],
)
def test_addons_that_are_databases(tmp_path: Path, addon: str, dependency: str, variable: str) -> None:
    """The code reads the variable of the addon: another name for the same database is none."""
    project, _ = taken(tmp_path, "Procfile", {"Procfile": "web: a\n", "app.json": f'{{"addons": [{addon}]}}'})
    assert [each.name for each in project.dependencies] == [dependency]
    assert dependency in project.services[0].env[variable]


@pytest.mark.parametrize(
    ("addon", "verdict", "todo"),
    [
        ("scheduler:standard", Verdict.NEEDS_YOU, "one of the `jobs`"),
        ("crontogo:free", Verdict.NEEDS_YOU, "`heroku addons:open crontogo` shows them"),
        ("papertrail:choklad", Verdict.NEEDS_YOU, "`ftl logs` has the logs"),
        ("deployhooks:http", Verdict.NEEDS_YOU, "`notify`"),
        ("fixie:tricycle", Verdict.LEFT_OUT, "the server's own address"),
        ("judoscale:trial", Verdict.LEFT_OUT, "`replicas`"),
        ("expeditedssl", Verdict.LEFT_OUT, "certificates"),
        ("cronitor:free", Verdict.NEEDS_YOU, "have an account there"),
        ("timescale-sslx", Verdict.NEEDS_YOU, "have an account there"),
        ("notredis", Verdict.NEEDS_YOU, "have an account there"),
        ("newrelic:wayne", Verdict.NEEDS_YOU, "have an account there, and write its variables in `env`"),
        ("sendgrid:starter", Verdict.NEEDS_YOU, "have an account there, and write its variables in `env`"),
    ],
)
def test_addons_that_are_no_databases(tmp_path: Path, addon: str, verdict: Verdict, todo: str) -> None:
    """Each says what does its work here: Heroku's scheduler has no URL that one could keep."""
    project, report = taken(
        tmp_path, "Procfile", {"Procfile": "web: a\n", "app.json": f'{{"addons": ["{addon}"]}}'}
    )
    assert project.dependencies == ()
    (row,) = [row for row in report.rows if row.key == f"addons: {addon}"]
    assert row.verdict is verdict
    assert todo in row.text


def test_an_addon_with_an_impossible_name(tmp_path: Path) -> None:
    """No shell can set the variable that it would have."""
    given = '{"addons": [{"plan": "memcachier:dev", "as": "my-cache"}]}'
    project, report = taken(tmp_path, "Procfile", {"Procfile": "web: a\n", "app.json": given})
    assert project.dependencies == ()
    (row,) = [row for row in report.rows if row.key == "addons: memcachier:dev"]
    assert row.verdict is Verdict.NEEDS_YOU
    assert "my-cache_SERVERS, which is not a name of a variable" in row.text


def test_a_schedule_without_a_command_is_no_job(tmp_path: Path) -> None:
    """Dokku's app.json may have one: a job would be refused."""
    given = '{"cron": [{"command": " ", "schedule": "* * * * *"}, {"schedule": "@daily"}]}'
    project, report = taken(tmp_path, "Procfile", {"Procfile": "web: a\n", "app.json": given})
    assert project.jobs == ()
    assert [verdicts(report)[f"cron[{number}]"] for number in (0, 1)] == [Verdict.NEEDS_YOU] * 2


def test_each_check_of_dokku_has_a_row(tmp_path: Path) -> None:
    """Also those of other processes, those with no path, and a second path: all but the first path were lost."""
    checks = {
        "web": [
            {"type": "startup"},
            {"type": "startup", "path": "/up", "onFailure": {"url": "x"}},
            {"type": "liveness", "path": "/live"},
            {"listening": True},
            {"command": ["bin/check"]},
        ],
        "worker": [{"type": "startup", "uptime": 30}, {"path": "/up"}],
        "gone": [{"uptime": 3}],
    }
    procfile = "web: a\nworker: b\n"
    app = json.dumps({"healthchecks": checks})
    project, report = taken(tmp_path, "Procfile", {"Procfile": procfile, "app.json": app})
    web, worker = project.services
    assert (web.health_check and web.health_check.path, worker.health_check) == ("/up", None)
    found = verdicts(report)
    assert {key: found[key] for key in found if key.startswith("healthchecks")} == {
        "healthchecks.web[0]": Verdict.LEFT_OUT,
        "healthchecks.web[1]": Verdict.CHANGED,
        "healthchecks.web[1].onFailure": Verdict.NEEDS_YOU,
        "healthchecks.web[2]": Verdict.NEEDS_YOU,
        "healthchecks.web[3]": Verdict.LEFT_OUT,
        "healthchecks.web[4]": Verdict.NEEDS_YOU,
        "healthchecks.worker[0]": Verdict.LEFT_OUT,
        "healthchecks.worker[1]": Verdict.NEEDS_YOU,
        "healthchecks.gone[0]": Verdict.LEFT_OUT,
    }


def test_other_keys_of_schedules_and_processes_have_rows(tmp_path: Path) -> None:
    """A schedule that is switched off would run here."""
    cron = {"command": "x", "schedule": "@daily", "maintenance": True, "concurrency_policy": "forbid"}
    app = json.dumps({"cron": [cron], "formation": {"web": {"quantity": 2, "size": "s", "autoscaling": {}}}})
    _, report = taken(tmp_path, "Procfile", {"Procfile": "web: a\n", "app.json": app})
    found = verdicts(report)
    assert found["cron[0].maintenance"] is Verdict.NEEDS_YOU
    assert found["cron[0].concurrency_policy"] is found["formation.web.autoscaling"] is Verdict.LEFT_OUT


def test_processes_of_heroku_yml_have_rows(tmp_path: Path) -> None:
    """Its worker was gone without a word."""
    files = {
        "app.json": '{"name": "x", "stack": "container"}',
        "heroku.yml": "run:\n  web: npm start\n  worker: {command: [npm run work], image: web}\n",
        "Dockerfile": "FROM scratch\n",
    }
    _, report = taken(tmp_path, "app.json", files)
    assert "`npm run work`" in next(row.text for row in report.rows if row.key == "heroku.yml: run.worker")


@pytest.mark.parametrize(
    ("written", "todo"),
    [
        ("", ""),
        ("\n", ""),
        ("# nothing yet\n", ""),
        ("run: {web: a}\n---\nrun: {web: b}\n", "line 2: a second YAML document begins here"),
        ("run: [\n", "line "),
    ],
)
def test_a_heroku_yml_without_one_document_fails_nothing(tmp_path: Path, written: str, todo: str) -> None:
    """Empty it names no process; unreadable it is a thing to do, and app.json is taken over."""
    files = {"app.json": '{"name": "x"}', "heroku.yml": written, "Dockerfile": "FROM scratch\n"}
    _, report = taken(tmp_path, "app.json", files)
    rows = [row for row in report.rows if row.key.startswith("heroku.yml")]
    assert [row.verdict for row in rows] == [Verdict.NEEDS_YOU] * bool(todo)
    assert all(row.text.startswith(todo) for row in rows)
