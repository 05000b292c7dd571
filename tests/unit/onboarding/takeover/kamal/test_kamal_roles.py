"""`ftl init --from` with Kamal: roles that get requests, and addresses of accessories."""

# ruff: noqa: E501 -- lines of other tools' files

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import variables_of
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import HEAD, words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Service


def routes_of(service: Service) -> list[tuple[str | None, str]]:
    """Hosts and paths of a service's routes."""
    return [(route.host, route.path) for route in service.routes]


@pytest.mark.parametrize(
    "text",
    [
        "servers: {workers: {hosts: [203.0.113.7], proxy: false, cmd: python worker.py}}\nprimary_role: workers\n",
        "servers: [203.0.113.7]\nproxy: false\n",
    ],
)
def test_a_worker_gets_no_requests(tmp_path: Path, text: str) -> None:
    """With `proxy: false` it is not public, and no deploy waits for its /up."""
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text})
    (worker,) = project.services
    assert (worker.port, worker.routes, worker.health_check) == (None, (), None)
    row = next(row for row in report.rows if row.key.endswith("proxy"))
    assert row.verdict is Verdict.LEFT_OUT


def test_a_role_may_have_the_proxy_of_the_whole_file(tmp_path: Path) -> None:
    """Its own keys are over those of the file, and hosts of its own are all its hosts."""
    text = """
servers:
  web: {hosts: [203.0.113.7]}
  admin: {hosts: [203.0.113.7], proxy: {host: admin.example.com}}
  same: {hosts: [203.0.113.7], proxy: true}
  work: {hosts: [203.0.113.7], proxy: false}
proxy: {host: shop.example.com, ssl: true, app_port: 3000, healthcheck: {path: /ok}}
"""
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text})
    web, admin, same, work = project.services
    assert routes_of(web) == [(None, "/")]
    assert routes_of(admin) == [("admin.example.com", "/")]
    assert (admin.port, same.port, work.port) == (3000, 3000, None)
    assert admin.health_check is not None
    assert admin.health_check.path == "/ok"
    assert (same.routes, verdicts(report)["servers.same.proxy"]) == ((), Verdict.NEEDS_YOU)
    assert verdicts(report)["servers.work.proxy"] is Verdict.LEFT_OUT


def test_another_role_may_be_the_only_public_one(tmp_path: Path) -> None:
    """The primary one is not, by its own word."""
    text = "servers: {web: {hosts: [h], proxy: false}, api: {hosts: [h], proxy: true}}\nproxy: {host: a.example.com, ssl: true}\n"
    project, _ = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text})
    web, api = project.services
    assert (routes_of(web), routes_of(api)) == ([], [(None, "/")])


def test_an_accessory_on_a_server_of_its_own(tmp_path: Path) -> None:
    """Kamal's template: the app knows its address, at which nothing is published here."""
    text = """
servers: [192.168.0.1]
env: {clear: {DB_HOST: 192.168.0.2, MAIN_URL: "mysql://u@192.168.0.2:3306/x", TOP: 192.168.0.22}}
accessories: {db: {image: "mysql:8.0", host: 192.168.0.2, port: 3306}}
"""
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text})
    assert project.services[0].env == {
        "DB_HOST": "db",
        "MAIN_URL": "mysql://u@db:3306/x",
        "TOP": "192.168.0.22",
    }
    found = verdicts(report)
    assert (found["env.DB_HOST"], found["accessories.db.port"]) == (Verdict.CHANGED, Verdict.CHANGED)


def test_accessories_on_one_server(tmp_path: Path) -> None:
    """The port or the variable's name says which is meant; an address of the app itself is none of theirs."""
    text = """
servers: [192.168.0.1]
env:
  clear:
    DB_HOST: 192.168.0.1
    REDIS_URL: "redis://192.168.0.1:36379/1"
    PUBLIC_HOST: 192.168.0.1
accessories:
  db: {image: "mysql:8.0", host: 192.168.0.1, port: "127.0.0.1:3306:3306"}
  cache: {image: "redis:7", roles: [web], port: "36379:6379"}
"""
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text})
    assert project.services[0].env == {
        "DB_HOST": "db", "REDIS_URL": "redis://cache:6379/1", "PUBLIC_HOST": "192.168.0.1",
    }  # fmt: skip
    found = verdicts(report)
    assert (found["env.PUBLIC_HOST"], found["accessories.cache.port"]) == (
        Verdict.NEEDS_YOU,
        Verdict.NEEDS_YOU,
    )


def test_labels_of_a_role_are_over_those_of_the_file(tmp_path: Path) -> None:
    """Kamal merges both, and the driver of the logs with its options."""
    text = """
servers: {web: {hosts: [h], labels: {a: role}, logging: {options: {max-size: 1m}}}}
labels: {team: x, a: file}
logging: {driver: local, options: {max-file: "3"}}
"""
    project, _ = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text})
    web = project.services[0]
    assert web.labels == {"team": "x", "a": "role"}
    assert web.logging is not None
    assert (web.logging.driver, web.logging.options) == ("local", {"max-file": "3", "max-size": "1m"})


def test_options_of_docker_with_keys_in_ftl_yaml(tmp_path: Path) -> None:
    """Volumes, limits of processes, labels, env files and ports."""
    options = '{volume: ["a:/b", "/srv/x:/y"], ulimit: "nofile=1:2", label: [x=1], env-file: x.env, publish: ["9000:9000"]}'
    text = f"servers: {{web: {{hosts: [h], options: {options}}}}}\nvolumes: [./local:/l]\n"
    text += "accessories: {db: {image: 'mysql:8', host: h, options: {memory: 1g, publish: '1:1'}, labels: {a: b}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text, "x.env": "A=1\n"})
    web = project.services[0]
    assert (web.volumes, web.labels, web.env["A"]) == (("a:/b", "/srv/x:/y"), {"x": "1"}, "1")
    assert web.forwards == ("9000:9000",)
    assert web.container.ulimits
    database = project.dependencies[0]
    assert (database.resources.memory, database.labels) == (1024**3, {"a": "b"})
    assert verdicts(report)["accessories.db.options.publish"] is Verdict.NEEDS_YOU
    assert verdicts(report)["volumes[0]"] is Verdict.NEEDS_YOU
    assert "home" in words(report, "volumes[0]")
    assert not [row for row in report.rows if row.key.startswith("ftl.yaml:")], report.rows


def test_files_where_the_configuration_says_they_are(tmp_path: Path) -> None:
    """Secrets and hooks in other folders are looked at, too; a way over another host is for ssh to know."""
    text = (
        HEAD + "servers: [h]\nssh: {proxy: root@bastion}\nhooks_path: ops/hooks\nsecrets_path: ops/secrets\n"
    )
    files = {
        "config/deploy.yml": text + "env: {secret: [A]}\n",
        "ops/hooks/pre-deploy": "",
        "ops/secrets": "A=$(cat key)\n",
        "ops/secrets.staging": "B=1\n",
        "key": "x",
    }
    project, report = taken(tmp_path, "config/deploy.yml", files)
    assert [(secret.name, secret.file) for secret in project.secrets] == [("A", "key")]
    found = verdicts(report)
    assert project.services[0].hooks.pre is not None
    assert "ops/hooks/pre-deploy" in str(project.services[0].hooks.pre.local)
    assert [found[key] for key in ("ops/secrets.staging", "ssh.proxy")] == [Verdict.NEEDS_YOU] * 2
    assert "ProxyJump root@bastion" in words(report, "ssh.proxy")


def test_a_role_of_cron(tmp_path: Path) -> None:
    """As Kamal's documentation has it: the report says that FTL has jobs."""
    cron = "{hosts: [a.io], cmd: 'bash -c \"cat config/crontab | crontab - && cron -f\"'}"
    text = f"{HEAD}servers: {{web: {{hosts: [a.io], cmd: clockwork x.rb}}, cron: {cron}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert [item.recreate for item in project.services] == [False, True]
    assert "as `jobs` of the project" in words(report, "servers.cron")


SEVERAL = """
servers:
  app: {hosts: [a.io, {b.io: [canary]}]}
  job: {hosts: [c.io], cmd: work}
primary_role: app
ssh: {user: deploy}
proxy: {host: x.io, ssl: true}
accessories:
  db: {image: "postgres:16", host: d.io, volumes: ["data:/var/lib/postgresql/data"]}
  redis: {image: "redis:7", roles: [app]}
"""


def test_several_hosts_are_servers_with_roles(tmp_path: Path) -> None:
    """Only the first one was written: the others stayed with Kamal's release."""
    files = {
        "config/deploy.yml": HEAD + SEVERAL,
        "config/deploy.staging.yml": "servers: {app: [s.io], job: {hosts: [s.io]}}\n",
    }
    project, report = taken(tmp_path, "config/deploy.yml", files)
    assert [(server.host, server.roles, server.user) for server in project.servers] == [
        ("a.io", ("web", "app"), "deploy"),
        ("b.io", ("web", "app"), "deploy"),
        ("c.io", ("job",), "deploy"),
        ("d.io", ("db",), "deploy"),
    ]
    assert {item.name: (item.on, item.replicas) for item in project.services} == {
        "app": (("app",), 2),
        "job": (("job",), 1),
    }
    assert {item.name: item.on for item in project.dependencies} == {"db": "d.io", "redis": "a.io"}
    assert "`private_address`" in words(report, "servers")
    assert verdicts(report)["accessories.redis.hosts"] is Verdict.NEEDS_YOU
    variables = variables_of(tmp_path, {}, name="staging", overlay="staging")
    staging = load(ProjectFiles(tmp_path / "ftl.yaml", variables, "staging"), fetch=None)
    assert (staging.servers, staging.server.host, staging.server.user) == ((), "s.io", "deploy")
    assert [(item.on, item.replicas) for item in staging.services] == [((), 1), ((), 1)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("servers: [a.io, b.io]\nvolumes: ['data:/data']\n", "the volume data can be on one server alone"),
        (
            "servers: {web: [a.io], job: [b.io]}\nvolumes: ['data:/data']\n",
            "the volume data can be on one server alone",
        ),
        (
            "servers: {web: {hosts: [a.io, b.io], options: {publish: '25:25'}}}\n",
            "web has ports of the server",
        ),
        ("servers: [a.io, <%= ENV['B'] %>]\n", "${B:-} has a value that is not known here"),
    ],
)
def test_hosts_that_cannot_be_written_are_told(tmp_path: Path, text: str, reason: str) -> None:
    """The first one is written, and the report has what to write for all."""
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text})
    assert (project.server.host, project.servers) == ("a.io", ())
    assert verdicts(report)["servers"] is Verdict.NEEDS_YOU
    assert words(report, "servers").startswith(f"only a.io is written, since {reason}")
    assert "{host: a.io, roles: [web]}" in words(report, "servers")


def test_docker_options_of_a_health_check_and_others(tmp_path: Path) -> None:
    """They needed the user, with the advice to look for a key that FTL has, or has not."""
    options = "{health-cmd: pgrep ruby, health-interval: 5s, health-retries: 3, network: host, group-add: 7, hostname: x}"
    text = f"{HEAD}servers: {{web: [h.example.com], job: {{hosts: [h.example.com], cmd: j, options: {options}}}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    check = next(each for each in project.services if each.name == "job").container.health_check
    assert check is not None
    assert (check.cmd, check.interval, check.retries) == ("pgrep ruby", 5, 3)
    found = {row.key.removeprefix("servers.job.options."): row for row in report.rows}
    assert found["health-cmd"].text == "container.health_check.cmd"
    assert "host-gateway" in found["network"].text
    assert found["group-add"].text == "write `user: USER:GROUP`"
    assert found["hostname"].verdict is Verdict.LEFT_OUT


def test_the_proxy_of_an_accessory_without_a_host(tmp_path: Path) -> None:
    """Its host is that of a destination: the base file gave it the app's route, and was refused."""
    text = f"{HEAD}servers: [h.example.com]\naccessories: {{files: {{image: x, host: h, proxy: {{app_port: 9000}}}}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert [(each.name, each.port, len(each.routes)) for each in project.services] == [
        ("web", 80, 1),
        ("files", 9000, 0),
    ]
    assert verdicts(report)["files: routes"] is Verdict.NEEDS_YOU
