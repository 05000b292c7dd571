"""Files of other tools, taken over by `ftl init --from` and deployed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml
from lab import images
from tests.e2e.support.project import DOCKERFILE, LabProject, unique

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

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
