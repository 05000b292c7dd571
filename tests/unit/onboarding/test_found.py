"""Processes, pages and checks that `ftl init` finds, and files that are not for browsers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.errors import UsageError
from ftl.onboarding.starter import make_start

from .conftest import put_files
from .odd_apps import using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .conftest import Begin


@pytest.mark.parametrize(
    ("files", "more", "names"),
    [
        ({"routes/console.php": "Schedule::command('x')->daily();"}, {}, ["worker", "scheduler"]),
        ({"app/Console/Kernel.php": "$schedule->job(new X);"}, {}, ["worker", "scheduler"]),
        ({"routes/console.php": "// Schedule::command('x')->daily();"}, {}, ["worker"]),
        ({}, {"laravel/horizon": "^5"}, ["worker"]),
    ],
)
def test_processes_of_laravel(
    begin: Begin, files: Mapping[str, str], more: dict[str, str], names: list[str]
) -> None:
    """Horizon has the queues, and what is scheduled needs one process that does it."""
    required = {"php": "^8.3", "laravel/framework": "^12", **more}
    _, project = begin({"composer.json": json.dumps({"require": required}), **files})
    workers = project.services[1:]
    assert [worker.name for worker in workers] == names
    if more:
        assert workers[0].command == ("php", "artisan", "horizon")
    if "scheduler" in names:
        assert (workers[1].command, workers[1].recreate) == (("php", "artisan", "schedule:work"), True)


def test_a_worker_of_arq(begin: Begin) -> None:
    """Its settings are a class with functions."""
    files = {
        "requirements.txt": "fastapi\narq\n",
        "app/main.py": "app = FastAPI()\n",
        "app/jobs.py": "class Other:\n    x = 1\n\nclass WorkerSettings:\n    redis = 1\n    functions = [f]\n",
    }
    _, project = begin(files)
    assert [service.command for service in project.services[1:]] == [("arq", "app.jobs.WorkerSettings")]


def test_files_that_begin_with_a_dot_are_not_for_browsers(begin: Begin) -> None:
    """Neither in the image nor, where they are, served: but for .well-known."""
    start, _ = begin({"index.html": "", ".secret": "x", ".well-known/a": ""})
    assert "\n**/.*\n!**/.well-known\n" in start.files[".dockerignore"]
    assert "path */.*\n\t\tnot path /.well-known/*" in start.files["Caddyfile"]
    assert "error @hidden 404" in start.files["Caddyfile"]


def test_a_site_of_jekyll_is_no_plain_files(tmp_path: Path) -> None:
    """Its pages are made first: raw, they are no site."""
    put_files(tmp_path, {"index.html": "---\n---\n", "_config.yml": "", "Gemfile": 'gem "jekyll"'})
    with pytest.raises(UsageError, match="no app in this folder"):
        make_start(tmp_path)


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        (using("react-scripts"), "/static/*"),
        (using("@vue/cli-service"), "/js/* /css/* /img/* /fonts/* /media/*"),
        (using(), "/assets/*"),
    ],
)
def test_a_missing_chunk_is_not_the_start_page(begin: Begin, files: Mapping[str, str], folders: str) -> None:
    """Each tool has folders of its own for files with a hash in their names."""
    caddyfile = begin(files)[0].files["Caddyfile"]
    assert f"@hashed path {folders}\n" in caddyfile
    assert "handle @hashed {" in caddyfile


@pytest.mark.parametrize(
    ("package", "extra", "health"),
    [
        ("react-scripts", {"homepage": "https://x.io/sub"}, "/sub/"),
        ("react-scripts", {"homepage": "https://x.io"}, "/"),
        ("react-scripts", {"homepage": "."}, "/"),
        ("vite", {"homepage": "https://x.io/sub"}, "/"),
    ],
)
def test_the_homepage_of_create_react_app_is_its_path(
    begin: Begin, package: str, extra: dict[str, str], health: str
) -> None:
    """Its pages look for their files there."""
    files = using(package)
    files["package.json"] = json.dumps({**json.loads(files["package.json"]), **extra})
    start, project = begin(files)
    check = project.services[0].health_check
    assert check is not None
    assert check.path == health
    assert ("/srv/sub" in start.files["Dockerfile"]) is (health == "/sub/")


@pytest.mark.parametrize("name", ["compose.yaml", "fly.toml", "config/deploy.yml"])
def test_another_tools_file_beside_a_dockerfile_is_named(begin: Begin, name: str) -> None:
    """It knows the port that is a guess without it."""
    start, _ = begin({"Dockerfile": "FROM x\n", name: ""})
    assert any(f"`ftl init --from {name}`" in text for text in start.todo)


@pytest.mark.parametrize(
    ("text", "port", "path"),
    [
        ("HEALTHCHECK --interval=5s CMD curl -f http://localhost:9000/hc || exit 1\n", 9000, "/hc"),
        ("EXPOSE 80\nHEALTHCHECK \\\n  CMD wget -q http://127.0.0.1/hc\n", 80, "/hc"),
        ("EXPOSE 80\nHEALTHCHECK CMD curl http://localhost:81/hc\n", 80, None),
        ("HEALTHCHECK CMD test -f /ok\n", 8000, None),
    ],
)
def test_the_check_of_a_dockerfile(begin: Begin, text: str, port: int, path: str | None) -> None:
    """A request to the app's own port is the path of ours."""
    _, project = begin({"Dockerfile": f"FROM x\n{text}"})
    web = project.services[0]
    assert (web.port, web.health_check.path if web.health_check else None) == (port, path)


def test_the_key_of_rails_is_not_its_master_key(begin: Begin) -> None:
    """Without credentials, config/master.key is for nothing here."""
    start, _ = begin({"Gemfile": 'gem "rails"\n', "config/master.key": "abc"})
    assert "SECRET_KEY_BASE=abc" not in start.files[".env"]
    assert len(start.files[".env"].partition("SECRET_KEY_BASE=")[2].strip()) == 64


@pytest.mark.parametrize(
    ("code", "port"),
    [
        ("export default { port: 3456, fetch: app.fetch }", 3456),
        ("await fastify.listen({\n  host: '0.0.0.0',\n  port: 5055,\n})", 5055),
        ("serve({ fetch: app.fetch, port: 4567 })", 4567),
        ("Bun.serve({ port: 8123 })", 8123),
        ("app.listen(4001)", 4001),
        ("export default { name: 'x' }", 3000),
    ],
)
def test_a_port_in_options(begin: Begin, code: str, port: int) -> None:
    """fastify, Bun and Hono have it there."""
    files = {
        "package.json": json.dumps({"scripts": {"start": "bun a.js"}, "dependencies": {"hono": "4"}}),
        "a.js": code,
    }
    assert begin(files)[1].services[0].port == port


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ('DATABASES = {"default": env.db()}', "DATABASE_URL"),
        ('DATABASES = {"default": env.db(default="sqlite:///x")}', "DATABASE_URL"),
        ('DATABASES = {"default": env.db_url(var="POSTGRES_URL")}', "POSTGRES_URL"),
        ('DATABASES = {"default": env.dj_db_url("DATABASE_URL")}', "DATABASE_URL"),
        ("DATABASES = {'default': dj_database_url.config()}", "DATABASE_URL"),
        ("DATABASES = {'default': dj_database_url.config(conn_max_age=600)}", "DATABASE_URL"),
        ("DATABASES = {'default': dj_database_url.config(\n    env='POSTGRES_URL')}", "POSTGRES_URL"),
        ("DATABASES = {'default': dj_database_url.config(default='', env='POSTGRES_URL')}", "POSTGRES_URL"),
        (
            "DATABASES = {'default': dj_database_url.config(\n  # Replace (this).\n  default='x', conn_max_age=600)}",
            "DATABASE_URL",
        ),
        (
            "DATABASES = {'default': dj_database_url.config(default=f'sqlite:///{join(a)}', env='POSTGRES_URL')}",
            "POSTGRES_URL",
        ),
        (
            "DATABASES = {'default': dj_database_url.config(conn_max_age=int(age(5)), env='POSTGRES_URL')}",
            "POSTGRES_URL",
        ),
        ("django_heroku.settings(locals())", "DATABASE_URL"),
    ],
)
def test_a_library_reads_its_usual_variable(begin: Begin, call: str, name: str) -> None:
    """`env.db()` and the like are DATABASE_URL: it was told that no line reads it."""
    files = {
        "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "a.settings")\nimport django\n',
        "a/settings.py": f"{call}\n",
        "requirements.txt": "django\ngunicorn\npsycopg\n",
    }
    start, project = begin(files)
    assert [key for key in project.services[0].env if key.endswith("_URL")] == [name]
    assert "no line of the code reads it" not in start.files["ftl.yaml"]


def test_a_client_of_mysql_that_cannot_log_in(begin: Begin) -> None:
    """MySQL 8 wants a password in a form that PyMySQL makes with cryptography alone."""
    files = {"requirements.txt": "flask\npymysql\n", "app.py": "app = Flask(__name__)\n"}
    assert any("add cryptography" in text for text in begin(files)[0].todo)


def test_a_client_of_mysql_that_can(begin: Begin) -> None:
    """With it, nothing is to do."""
    files = {"requirements.txt": "flask\npymysql[rsa]\n", "app.py": "app = Flask(__name__)\n"}
    assert not [text for text in begin(files)[0].todo if "cryptography" in text]


def test_a_procfile_without_a_web_process(begin: Begin) -> None:
    """Each process of it is a service, and none runs twice: as on Heroku, nothing else is started."""
    procfile = "bot: python bot.py\nclock: python clock.py\n"
    _, project = begin({"requirements.txt": "aiogram\n", "bot.py": "", "clock.py": "", "Procfile": procfile})
    assert [(each.name, each.command, each.recreate) for each in project.services] == [
        ("bot", ("python", "bot.py"), False),
        ("clock", ("python", "clock.py"), True),
    ]
