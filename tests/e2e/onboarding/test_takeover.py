"""Files of other tools, taken over by `ftl init --from` and deployed."""

from __future__ import annotations

import json
import re
import secrets
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml
from lab import images
from tests.e2e.support.project import DOCKERFILE, LabProject, unique
from tests.harness import ROOT, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lab.servers import Server

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

COMPOSE = """
name: NAME
x-app: &app {image: NAME-app, depends_on: [db], environment: {PASSWORD: "${DB_PASSWORD:?}"}}
services:
  web: {<<: *app, build: ., ports: ["80:8000"]}
  worker: {<<: *app, command: [sleep, "100000"]}
  cache: {image: "ftl-lab-redis:latest", expose: ["6379"]}
  db:
    image: postgres:16
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD:?}", POSTGRES_DB: shop}
    volumes: ["data:/var/lib/postgresql/data"]
volumes: {data: }
"""

KAMAL = """
service: @name@
image: me/shop
servers:
  web: [@host@]
  worker: {hosts: [@host@], cmd: sleep 100000}
ssh: {user: @user@, port: @port@, keys: [@key@]}
proxy: {host: @domain@, app_port: 8000, healthcheck: {path: /}}
env: {clear: {DB_HOST: @name@-db}, secret: [POSTGRES_PASSWORD]}
deploy_timeout: 60
accessories:
  db:
    image: postgres:16
    host: @host@
    port: "127.0.0.1:5432:5432"
    env: {clear: {POSTGRES_DB: shop}, secret: [POSTGRES_PASSWORD]}
    volumes: ["@name@_data:/var/lib/postgresql/data"]
"""


GREETING = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n%s' "$GREETING"
"""

FLY = """
app = "@name@"
primary_region = "fra"
kill_timeout = 2
[build]
  dockerfile = "Dockerfile"
[env]
  GREETING = "hello from fly"
[processes]
  app = "httpd -f -p 8080 -h /www"
  worker = "sleep 100000"
[deploy]
  release_command = "echo released"
[http_service]
  internal_port = 8080
  force_https = true
  processes = ["app"]
  [[http_service.checks]]
    path = "/"
    interval = "2s"
[[mounts]]
  source = "data"
  destination = "/data"
  processes = ["app"]
[[vm]]
  memory = "256mb"
"""
APP_JSON = """
{"name": "@name@", "env": {"GREETING": {"value": "hello from heroku"}, "SECRET_KEY": {"generator": "secret"}},
 "formation": {"web": {"quantity": 2}, "worker": {"quantity": 1}}, "addons": ["heroku-postgresql:mini"],
 "healthchecks": {"web": [{"type": "startup", "path": "/"}]}}
"""
ORIGINAL = """
project: {name: @name@, domain: @name@.example.com, email: ann@example.com}
server: {host: my-project.example.com, port: 22, user: my-project, ssh_key: ~/.ssh/id_rsa}
services:
  - name: web
    path: ./
    app_port: 8000
    env_vars: [GREETING=hello from ftl]
    health_check: {path: /, interval: 2s, timeout: 5s, retries: 10}
    routes: [{path: /, strip_prefix: false}]
  - {name: worker, path: ./, command: sleep 100000}
dependencies:
  - name: db
    image: postgres:16
    volumes: ["data:/var/lib/postgresql/data"]
    env_vars: [POSTGRES_PASSWORD=a-secret, POSTGRES_DB=shop]
"""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Files of another tool.

    Attributes:
        files: The first one is taken over.
        deployed: Services that `ftl deploy` creates.
        probes: Arguments of FTL -> what they print.
    """

    files: Mapping[str, str]
    deployed: tuple[str, ...]
    probes: Mapping[tuple[str, ...], str]


_DATABASES = ("psql", "-U", "postgres", "-qtAc", "select datname from pg_database where datname = 'shop'")
FOREIGN = {
    "fly": Foreign(
        {"fly.toml": FLY},
        ("app", "worker"),
        {
            ("exec", "app", "--", "grep", "-c", " /data ", "/proc/mounts"): "1",
            ("logs", "--hooks", "--no-prefix"): "released",
        },
    ),
    "heroku": Foreign(
        {
            "Procfile": "web: httpd -f -p $PORT -h /www\nworker: sleep 100000\nrelease: echo released\n",
            "app.json": APP_JSON,
        },
        ("web", "worker"),
        {
            ("exec", "postgres", "--", "psql", "-U", "postgres", "-qtAc", "select 1"): "1",
            (
                "exec",
                "web",
                "--",
                "sh",
                "-c",
                "echo ${DATABASE_URL%%:*} ${SECRET_KEY:+made up}",
            ): "postgresql made up",
            ("logs", "--hooks", "--no-prefix"): "released",
        },
    ),
    "ftl": Foreign(
        {"old/ftl.yaml": ORIGINAL, "Dockerfile": DOCKERFILE},
        ("web", "worker"),
        {("exec", "db", "--", *_DATABASES): "shop"},
    ),
    "kamal": Foreign(
        {
            "config/deploy.yml": KAMAL.replace(
                "env: {clear: {", "env: {clear: {GREETING: hello from kamal, ", 1
            ),
            ".kamal/secrets": "POSTGRES_PASSWORD=a-secret\n",
        },
        ("web", "worker"),
        {("exec", "db", "--", *_DATABASES): "shop"},
    ),
}


@pytest.fixture(scope="module")
def sandbox(engine: str, user: dict[str, str]) -> Iterator[tuple[dict[str, str], int]]:
    """The environment of a user who has a sandbox, and its port for HTTP."""
    environment = {**user, "FTL_SANDBOX": f"takeover-{secrets.token_hex(4)}"}
    project = Project(ROOT, environment)
    port = project.run("sandbox", "up", "--json", timeout=600).ok().result["http_port"]
    yield environment, port
    project.run("sandbox", "down").ok()


@pytest.mark.nightly
@pytest.mark.parametrize("tool", FOREIGN)
def test_a_sandbox_runs_what_was_taken_over(
    tool: str, sandbox: tuple[dict[str, str], int], tmp_path: Path
) -> None:
    """From the file of another tool to an app that answers, as the page on `ftl init` says, without an edit."""
    images.ensure("postgres")
    environment, port = sandbox
    given, foreign = {"name": unique(), "host": "203.0.113.5", "user": "root", "port": "22"}, FOREIGN[tool]
    given |= {"key": "~/.ssh/id_rsa", "domain": f"{given['name']}.example.com"}
    files = {
        name: re.sub("@([a-z]+)@", lambda match: given[match[1]], text)
        for name, text in foreign.files.items()
    }
    project = Project(tmp_path, environment)
    project.write(
        {"Dockerfile": DOCKERFILE, "www/index.html": "one", "www/cgi-bin/greeting": GREETING, **files}
    )
    (tmp_path / "www/cgi-bin/greeting").chmod(0o755)
    project.run("init", "--from", next(iter(files))).ok()
    written = (tmp_path / "ftl.yaml").read_text()
    project.write({"ftl.yaml": written.replace("postgres:17", "postgres:16")})  # no other can be had here
    project.run("validate").ok()
    try:
        made = project.run("deploy", "--server", "sandbox", "--json").ok().result["services"]
        assert {name: one["action"] for name, one in made.items()} == dict.fromkeys(
            foreign.deployed, "created"
        )
        for path, answer in (("", "one"), ("cgi-bin/greeting", f"hello from {tool}")):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as response:
                assert response.read().decode() == answer
        for argv, printed in foreign.probes.items():
            verb, *rest = argv
            assert project.run(verb, "--server", "sandbox", *rest).ok().stdout.strip() == printed
    finally:
        project.run("remove", "--volumes", "--yes", "--server", "sandbox")


@pytest.fixture
def app(ftl: Callable[..., Project], server: Server) -> LabProject:
    """An app in its folder, without a file of any tool."""
    images.ensure("postgres")
    return LabProject(ftl({"Dockerfile": DOCKERFILE, "www/index.html": "one"}), server, unique())


def database(app: LabProject) -> str:
    """The name of the database that PostgreSQL made."""
    asked = app.project.run(
        "exec", "db", "--", "psql", "-U", "postgres", "-d", "shop", "-qtAc", "select current_database()"
    )
    return asked.ok().stdout.strip()


@pytest.mark.nightly
def test_a_compose_file(app: LabProject) -> None:
    """A worker of its sibling's image, a database and a port without HTTP run as they did."""
    images.ensure("redis")
    app.project.write({"compose.yaml": COMPOSE.replace("NAME", app.name)})
    app.project.run("init", "--from", "compose.yaml").ok()
    config = yaml.safe_load((app.project.folder / "ftl.yaml").read_text())
    config["project"]["domain"] = app.domain
    config |= {"server": app.server.section(), "proxy": {"tls": "off"}}
    app.project.write({"ftl.yaml": config})
    made = app.project.run("deploy", "--json").ok().result["services"]
    assert {name: one["action"] for name, one in made.items()} == dict.fromkeys(
        ("web", "worker", "cache"), "created"
    )
    assert app.get() == (200, "one")
    assert database(app) == "shop"
    worker = json.loads(app.server.docker("inspect", f"{app.name}-worker-r1"))[0]
    assert (worker["Config"]["Cmd"], worker["State"]["Running"]) == (["sleep", "100000"], True)
    assert app.server.docker("exec", f"{app.name}-cache-r1", "redis-cli", "ping") == "PONG"


def test_a_file_of_kamal(app: LabProject) -> None:
    """It deploys as it is written, with its accessory, its secret and its hook."""
    section = app.server.section()
    given = {"name": app.name, "domain": app.domain, "key": section["ssh_key"]}
    given |= {key: section[key] for key in ("host", "user", "port")}
    text = re.sub("@([a-z]+)@", lambda match: str(given[match[1]]), KAMAL)
    hook = '#!/bin/sh\necho "$KAMAL_SERVICE $KAMAL_COMMAND" > deployed\n'
    app.project.write(
        {
            "config/deploy.yml": text,
            ".kamal/secrets": 'export POSTGRES_PASSWORD=$(cat "the password")\n',
            "the password": "a-secret",
            ".kamal/hooks/post-deploy": hook,
        }
    )
    (app.project.folder / ".kamal/hooks/post-deploy").chmod(0o755)
    app.project.run("init", "--from", "config/deploy.yml").ok()
    made = app.project.run("deploy", "--json").ok().result["services"]
    assert {name: one["action"] for name, one in made.items()} == dict.fromkeys(("web", "worker"), "created")
    assert app.get() == (200, "one")
    assert database(app) == "shop"
    web = f"{app.name}-web-r1"
    assert app.server.docker("exec", web, "sh", "-c", "echo $DB_HOST $POSTGRES_PASSWORD") == "db a-secret"
    assert app.server.docker("exec", web, "sh", "-c", "ls /.kamal || echo none").endswith("none")
    assert (app.project.folder / "deployed").read_text() == f"{app.name} deploy\n"
