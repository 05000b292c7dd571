"""`ftl init --from` with files of Kamal, Fly and Heroku."""

# ruff: noqa: E501 -- lines of other tools' files

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.errors import FtlError
from ftl.onboarding.env_secrets import values_in
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over

from ..conftest import put_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.onboarding.takeover.report import TakeoverReport

KAMAL = """
service: shop
image: acme/shop
servers:
  web:
    - 203.0.113.7
  job:
    hosts: [203.0.113.7, 203.0.113.8]
    cmd: bin/jobs
    options: {memory: 1g}
proxy:
  ssl: true
  hosts: [shop.example.org, www.example.org]
  app_port: 3000
  healthcheck: {path: /up, interval: 3}
  forward_headers: true
registry: {server: ghcr.io, username: acme, password: [KAMAL_REGISTRY_PASSWORD]}
env:
  clear: {RAILS_LOG_LEVEL: info, DB_HOST: "<%= ENV['DB_HOST'] %>"}
  secret: [RAILS_MASTER_KEY, VAULT]
ssh: {user: deploy, port: 2222, proxy: bastion}
builder: {arch: amd64, dockerfile: Dockerfile.prod, args: {A: "1"}, cache: {type: gha}, remote: ssh://x}
volumes: ["storage:/rails/storage"]
asset_path: /rails/public/assets
retain_containers: 3
labels: {team: shop}
logging: {driver: local}
aliases: {console: app exec -i "bin/rails console"}
accessories:
  db:
    image: postgres:16
    host: 203.0.113.7
    port: "127.0.0.1:5432:5432"
    env: {clear: {POSTGRES_USER: shop}, secret: [POSTGRES_PASSWORD]}
    directories: ["data:/var/lib/postgresql/data"]
    files: [config/init.sql:/docker-entrypoint-initdb.d/init.sql]
  redis: {image: "redis:7", roles: [web], volumes: ["redis:/data"], cmd: redis-server}
"""


def taken(folder: Path, name: str, files: Mapping[str, str]) -> tuple[Project, TakeoverReport]:
    """Take over one of these files, write the result, and load it."""
    put_files(folder, {"Dockerfile": "FROM x\n", "Dockerfile.prod": "FROM x\n", **files})
    result = take_over([folder / name], folder, {})
    put_files(folder, result.files)
    return load(ProjectFiles(folder / "ftl.yaml", read_variables(folder, {})), fetch=None), result.report


def verdicts(report: TakeoverReport) -> dict[str, Verdict]:
    """Verdict of each key."""
    return {row.key: row.verdict for row in report.rows}


def test_kamal(tmp_path: Path) -> None:
    """Roles are services, accessories dependencies, and secrets variables; the rest is in the report."""
    files = {
        "config/deploy.yml": KAMAL,
        "config/deploy.staging.yml": "",
        ".kamal/secrets": "RAILS_MASTER_KEY=$(cat config/master.key)\nPOSTGRES_PASSWORD=$POSTGRES_PASSWORD\n"
        "VAULT=$(kamal secrets extract A $ALL)\nTOKEN=$(op read op://vault/token)\n",
        "config/init.sql": "select 1;",
        ".kamal/hooks/pre-deploy": "",
        ".kamal/hooks/pre-build.sample": "",
    }
    project, report = taken(tmp_path, "config/deploy.yml", files)
    web, job = project.services
    assert (project.name, project.server.host, project.server.user, project.server.port) == (
        "shop",
        "203.0.113.7",
        "deploy",
        2222,
    )
    assert (web.name, web.port, [route.host for route in web.routes]) == (
        "web",
        3000,
        [None, "www.example.org"],
    )
    assert (job.name, job.command) == ("job", "bin/jobs")
    assert set(web.env) == {"RAILS_LOG_LEVEL", "DB_HOST", "RAILS_MASTER_KEY", "VAULT"}
    assert [dependency.name for dependency in project.dependencies] == ["db", "redis"]
    assert project.dependencies[0].volumes == ("db_data:/var/lib/postgresql/data",)
    assert project.keep_releases == 3
    found = verdicts(report)
    assert found["servers"] is Verdict.NEEDS_YOU
    assert found[".kamal/secrets: VAULT"] is Verdict.NEEDS_YOU
    assert [(secret.name, secret.file, secret.command) for secret in project.secrets] == [
        ("RAILS_MASTER_KEY", "config/master.key", None),
        ("TOKEN", None, "op read op://vault/token"),
        ("VAULT", None, None),
        ("POSTGRES_PASSWORD", None, None),
    ]
    assert web.build is not None
    assert (web.build.on, web.build.cache) == ("x", ("gha",))
    assert job.resources.memory == 1024**3
    assert {service.labels["team"] for service in project.services} == {"shop"}
    database, cache = project.dependencies
    assert [(file.path, file.content) for file in database.files] == [
        ("/docker-entrypoint-initdb.d/init.sql", "select 1;")
    ]
    assert (database.command, cache.command) == (None, "redis-server")
    assert found[".kamal/hooks/pre-deploy"] is Verdict.CHANGED
    assert found["deploy.staging.yml"] is Verdict.CHANGED
    assert ".kamal/hooks/pre-build.sample" not in found
    assert [row for row in report.rows if row.verdict is not Verdict.TAKEN and not row.text] == []


@pytest.mark.parametrize(
    ("remote", "host", "verdict"),
    [
        ("ssh://docker@build.example.com:2222", "build.example.com", Verdict.NEEDS_YOU),
        ("ssh://build.example.com", "build.example.com", Verdict.CHANGED),
        ("tcp://build.example.com:2375", None, Verdict.NEEDS_YOU),
    ],
)
def test_kamals_remote_builder(tmp_path: Path, remote: str, host: str | None, verdict: Verdict) -> None:
    """Its user and port are for ssh's own configuration to know; other ways than SSH are not taken over."""
    text = f"service: a\nimage: a/a\nservers: [203.0.113.7]\nbuilder: {{remote: '{remote}'}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    build = project.services[0].build
    assert build is not None
    assert (build.on, verdicts(report)["builder.remote"]) == (host, verdict)


def test_kamal_without_a_proxy_has_its_defaults(tmp_path: Path) -> None:
    """The port is 80 and the path /up, as Kamal has them; a domain is left to the user."""
    text = "service: a\nimage: a/a\nservers: [203.0.113.7]\n"
    project, _ = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    check = project.services[0].health_check
    assert check is not None
    assert (project.services[0].port, check.path) == (80, "/up")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "service: a\nservers:\n<% %w[a b].each do |h| %>\n  - <%= h %>\n<% end %>\n",
            "this ERB is not evaluated",
        ),
        ("service: a\n<% if ENV['X'] %>\nservers: [b]\n<% end %>\n", "this ERB is not evaluated"),
        ("image: <%= ENV['X'] %>\n", "this is not a Kamal configuration"),
        ("service: [\nimage: <%= ENV['X'] %>", "not valid YAML"),
    ],
)
def test_bad_files_of_kamal(tmp_path: Path, text: str, message: str) -> None:
    """ERB on which lines depend is not evaluated, and its line is named."""
    with pytest.raises(FtlError, match=message):
        taken(tmp_path, "deploy.yml", {"deploy.yml": text})


def test_a_line_of_a_procfile_may_set_variables(tmp_path: Path) -> None:
    """`exec` of a shell takes no assignment: `env` does."""
    files = {"Procfile": "web: NODE_ENV=production node a.js -p $PORT\nclock: A=1 node b.js\n"}
    project, _ = taken(tmp_path, "Procfile", files)
    web, clock = project.services
    assert web.command == ("sh", "-c", "exec env NODE_ENV=production node a.js -p $PORT")
    assert clock.command == ("sh", "-c", "exec env A=1 node b.js")


def test_a_process_that_app_json_does_not_start_is_left_out(tmp_path: Path) -> None:
    """`quantity: 0` is no service; a secret that the platform made is to be made here."""
    app = '{"formation": {"worker": {"quantity": 0}}, "env": {"K": {"generator": "secret"}, "O": {"required": false}}}'
    project, report = taken(tmp_path, "Procfile", {"Procfile": "web: a\nworker: b\n", "app.json": app})
    assert [service.name for service in project.services] == ["web"]
    found = verdicts(report)
    assert (found["Procfile: worker"], found["env.O"]) == (Verdict.LEFT_OUT, Verdict.CHANGED)
    assert (found["env.K"], found["${K}"]) == (Verdict.CHANGED, Verdict.CHANGED)
    assert len(project.services[0].env["K"]) == 32


def test_procfile_and_app_json(tmp_path: Path) -> None:
    """Processes, release command, addons, formation and variables are taken over."""
    app = """{"name": "shop", "env": {"A": "1", "SECRET": {"generator": "secret"}}, "addons": ["heroku-postgresql:mini", "heroku-redis",
    "papertrail"], "formation": {"web": {"quantity": 2}}, "cron": [{"command": "x y", "schedule": "@daily"},
    {"command": "z", "schedule": "* * * * * *"}], "buildpacks": []}"""
    procfile = "web: gunicorn app:app -b :$PORT\nworker: python work.py\nrelease: python migrate.py\n"
    project, report = taken(tmp_path, "Procfile", {"Procfile": procfile, "app.json": app})
    web, worker = project.services
    assert (web.command, web.replicas, worker.command) == (
        ("sh", "-c", "exec gunicorn app:app -b :$PORT"),
        2,
        "python work.py",
    )
    assert web.hooks.pre is not None
    assert web.hooks.pre.remote == "python migrate.py"
    made_up = values_in(tmp_path)
    assert web.env == {
        "PORT": "8000",
        "A": "1",
        "SECRET": made_up["SECRET"],
        "DATABASE_URL": f"postgresql://postgres:{made_up['POSTGRES_PASSWORD']}@postgres:5432/postgres",
        "REDIS_URL": "redis://redis:6379/0",
    }
    assert [dependency.name for dependency in project.dependencies] == ["postgres", "redis"]
    found = verdicts(report)
    assert [found[key] for key in ("addons: papertrail", "cron[1]")] == [Verdict.NEEDS_YOU] * 2
    assert [(job.name, job.service, job.schedule, job.command) for job in project.jobs] == [
        ("x", "web", "0 0 * * *", "x y")
    ]


ORIGINAL = """
project: {name: shop, domain: shop.example.com, email: a@example.com}
server:
  host: shop.example.com
  user: deploy
services:
  - name: web
    path: ./src
    app_port: 3000   # the app's
    env_vars: [A=1]
    routes: [{path: /}]
  - {name: api, image: "acme/api:1", app_port: 80, hook: x}
dependencies:
  - redis:7
"""


def test_a_file_of_the_original_ftl(tmp_path: Path) -> None:
    """The text is kept, keys get their present names, and what is still wrong needs the user, with its line."""
    files = {"old.yaml": ORIGINAL, "src/Dockerfile": "FROM x"}
    put_files(tmp_path, files)
    result = take_over([tmp_path / "old.yaml"], tmp_path, {})
    assert result.files["ftl.yaml"] == ORIGINAL.replace("app_port", "port").replace("env_vars", "env")
    assert verdicts(result.report)["services.app_port"] is Verdict.CHANGED
    assert verdicts(result.report)["ftl.yaml:12"] is Verdict.NEEDS_YOU
    project, _ = taken(tmp_path, "old.yaml", {"old.yaml": ORIGINAL.replace(", hook: x", "")})
    assert [(service.port, service.env) for service in project.services] == [(3000, {"A": "1"}), (80, {})]


@pytest.mark.parametrize(
    ("name", "text"),
    [("fly.toml", "= 1"), ("app.json", "{"), ("Procfile", "nothing"), ("Procfile", "release: x")],
)
def test_broken_files(tmp_path: Path, name: str, text: str) -> None:
    """A file that cannot be parsed is an error with a hint."""
    with pytest.raises(FtlError) as caught:
        taken(tmp_path, name, {name: text})
    assert caught.value.hint
