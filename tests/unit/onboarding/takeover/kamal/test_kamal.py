"""`ftl init --from` with forms of Kamal 2's configuration, and of Kamal 1's."""

# ruff: noqa: E501 -- lines of other tools' files

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.onboarding.takeover.report import TakeoverReport

HEAD = "service: shop\nimage: me/shop\nregistry: {username: me, password: [P]}\nbuilder: {arch: amd64}\n"


def words(report: TakeoverReport, key: str) -> str:
    """Text of a key's row."""
    return next(row.text for row in report.rows if row.key == key)


FORMS = {
    "as Rails makes it": """
servers: {web: [192.168.0.1]}
proxy: {ssl: true, host: app.example.com}
env: {secret: [RAILS_MASTER_KEY], clear: {SOLID_QUEUE_IN_PUMA: true}}
aliases: {console: app exec --interactive --reuse "bin/rails console"}
volumes: ["shop_storage:/rails/storage"]
asset_path: /rails/public/assets
""",
    "commands as lists": "servers: {web: [a.example.com], jobs: {hosts: [a.example.com], cmd: [bin/jobs, -q, all]}}\n",
    "everything": """
x-hosts: &hosts [10.0.0.1]
servers:
  web:
    hosts: [10.0.0.1, {10.0.0.2: [experiments]}]
    options: {memory: 2g, cpus: 2, add-host: "host.docker.internal:host-gateway", cap-add: NET_ADMIN, restart: always}
    stop_wait_time: 30
  jobs: {hosts: *hosts, cmd: bin/jobs, proxy: false, env: {clear: {QUEUE: default}}}
  admin: {hosts: *hosts, proxy: {host: admin.example.com, app_port: 3001}}
primary_role: web
proxy:
  hosts: [foo.example.com, bar.example.com]
  app_port: 3000
  ssl: {certificate_pem: CERT, private_key_pem: KEY}
  path_prefix: /api
  response_timeout: 10
  buffering: {requests: true}
env: {clear: {REDIS_URL: "redis://shop-redis:6379/1"}, secret: ["MAIN_SECRET:DB_PASSWORD"]}
sshkit: {max_concurrent_starts: 10}
drain_timeout: 10
accessories:
  redis: {image: "redis:latest", roles: [web], port: "36379:6379", network: custom, directories: [{local: data, remote: /data}]}
  monitoring: {image: acme/monitor, hosts: [10.0.0.1], proxy: {host: monitor.example.com, app_port: 9000}}
  files: {image: acme/files, host: 10.0.0.1, files: [{local: my.cnf, remote: /etc/my.cnf, mode: "0640", owner: "mysql:mysql"}]}
""",
    "ERB with comments, dotenv and defaults": """
<% require "dotenv"; Dotenv.load(".env") %>
servers: [<%= ENV.fetch("HOST") { "192.0.2.1" } %>]
<%# a comment: %>
proxy: {host: <%= ENV["APP_HOST"] || "app.example.com" %>, ssl: true}
""",
    "no proxy": "servers: {jobs: {hosts: [192.0.2.1], cmd: bin/jobs}}\n",
    "Kamal 1": """
servers: {web: {hosts: [192.0.2.1], labels: {traefik.http.routers.shop.rule: "Host(`old.example.com`)"}}}
traefik: {args: {entryPoints.web.address: ":80"}}
healthcheck: {path: /healthz, port: 4000}
""",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=list(FORMS))
def test_what_is_written_is_valid_and_each_row_has_a_reason(tmp_path: Path, text: str) -> None:
    """The result loads, and every key that is not simply taken over says what became of it."""
    files = {
        "deploy.yml": HEAD + text,
        "my.cnf": "x",
        ".kamal/secrets": "RAILS_MASTER_KEY=$(cat key)\n",
        "key": "x",
    }
    _, report = taken(tmp_path, "deploy.yml", files)
    assert not [row for row in report.rows if row.key.startswith("ftl.yaml:")], report.rows
    assert [row for row in report.rows if row.verdict is not Verdict.TAKEN and not row.text] == []


@pytest.mark.parametrize(
    ("code", "files", "value"),
    [
        ('File.read(".ruby-version").strip', {".ruby-version": "3.3.5\n"}, "3.3.5"),
        ("File.read('.ruby-version').chomp", {".ruby-version": "a$b"}, "a$b"),
        ('File.read(".ruby-version").strip', {}, None),
        ('File.read(".ruby-version").strip', {".ruby-version": "1\n2\n"}, None),
        ('File.read("../secret").strip', {"../secret": "x"}, None),
        ("`hostname`", {}, None),
    ],
)
def test_erb_that_reads_a_file(tmp_path: Path, code: str, files: dict[str, str], value: str | None) -> None:
    """A line in a file of the app is its value; nothing else is read, and nothing is run."""
    text = f"{HEAD}servers: [192.0.2.1]\nenv: {{clear: {{RUBY: <%= {code} %>}}}}\n"
    folder = tmp_path / "shop"
    folder.mkdir()
    if value is None:
        (folder / ".env").write_text("RUBY_OF_KAMAL=9\n")
    project, report = taken(folder, "deploy.yml", {"deploy.yml": text, **files})
    assert project.services[0].env["RUBY"] == (value or "9")
    assert "${RUBY_OF_KAMAL}" not in verdicts(report)


def test_erb_that_is_not_evaluated(tmp_path: Path) -> None:
    """It is a variable, without which nothing starts, with the code in its row."""
    lines = ['<% require "x"; tag = `git tag` %>', "servers:", "  - <%= Host.find %>"]
    lines += ["env: {clear: {TAG: <%= tag %>, URL: 'http://<%= a.b %>/<%= c %>'}}", "# <%= comment %>"]
    (tmp_path / ".env").write_text(
        "LINE_7_OF_KAMAL=h.io\nTAG_OF_KAMAL=1\nURL_OF_KAMAL=a\nLINE_8_URL_OF_KAMAL=b\n"
    )
    files = {
        "deploy.yml": HEAD + "\n".join(lines),
        "deploy.staging.yml": "env: {clear: {TAG: <%= other %>}}\n",
    }
    project, report = taken(tmp_path, "deploy.yml", files)
    assert project.services[0].env == {"TAG": "1", "URL": "http://a/b"}
    assert project.server.host == "h.io"
    assert words(report, "ERB in line 5").startswith('`require "x"; tag = `git tag``')
    (tmp_path / ".env").unlink()
    report = take_over([tmp_path / "deploy.yml"], tmp_path, {}).report
    assert (
        words(report, "${LINE_7_OF_KAMAL}")
        == "Kamal computes it by `Host.find` (line 7): write its value into .env"
    )
    assert "`tag` (line 8)" in words(report, "${TAG_OF_KAMAL}")
    assert "`other` (line 1)" in words(report, "deploy.staging.yml: ${TAG_OF_KAMAL}")
    assert not [row for row in report.rows if "comment" in row.text]
    assert not [row for row in report.rows if row.key.startswith("ftl.yaml:")]


def test_routes_of_roles_and_accessories(tmp_path: Path) -> None:
    """A role or an accessory with a proxy of its own has routes; Kamal takes the prefix away unless it is told not to."""
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + FORMS["everything"], "my.cnf": "x"})
    found = {
        item.name: [(route.host, route.path, route.strip_prefix) for route in item.routes]
        for item in project.services
    }
    assert found == {
        "web": [(None, "/api", True), ("bar.example.com", "/api", True)],
        "jobs": [],
        "admin": [("admin.example.com", "/api", True)],
        "monitoring": [("monitor.example.com", "/", False)],
    }
    assert project.proxy.tls != "off"
    assert "`proxy: {certificate: certs/fullchain.pem, key: certs/key.pem}`" in words(report, "proxy.ssl")
    assert [(server.host, server.roles) for server in project.servers] == [
        ("10.0.0.1", ("web", "jobs", "admin")),
        ("10.0.0.2", ("web",)),
    ]
    assert next(item.on for item in project.services if item.name == "monitoring") == ("10.0.0.1",)


def test_names_of_kamals_containers_are_written_as_ours(tmp_path: Path) -> None:
    """The app reaches its accessory by a name that it has in FTL."""
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + FORMS["everything"], "my.cnf": "x"})
    assert project.services[0].env["REDIS_URL"] == "redis://redis:6379/1"
    assert (
        words(report, "accessories.redis")
        == "the dependency redis, which has that host name in web, jobs, admin"
    )


def test_options_of_docker_and_lists(tmp_path: Path) -> None:
    """Options with a key in ftl.yaml are taken over, and so is a folder in the long form."""
    project, _ = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + FORMS["everything"], "my.cnf": "x"})
    web = project.services[0]
    assert (web.extra_hosts, web.cap_add, web.stop_timeout, web.drain_timeout) == (
        ("host.docker.internal:host-gateway",), ("NET_ADMIN",), 30, 10,
    )  # fmt: skip
    redis, files = project.dependencies
    assert redis.volumes == ("redis_data:/data",)
    assert files.files[0].mode == "0640"
    project, _ = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + FORMS["commands as lists"]})
    assert project.services[1].command == ("bin/jobs", "-q", "all")


def test_a_volume_of_kamal_keeps_its_data(tmp_path: Path) -> None:
    """`shop_storage` is FTL's volume `storage` of the project shop; another name needs the user."""
    text = (
        HEAD.replace("shop", "my_shop")
        + "servers: [a.example.com]\nvolumes: ['my_shop_storage:/s', 'logs:/l', '/srv:/srv']\n"
    )
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert (project.name, project.services[0].volumes) == ("my_shop", ("storage:/s", "logs:/l", "/srv:/srv"))
    found = [verdicts(report)[f"volumes[{index}]"] for index in range(3)]
    assert found == [Verdict.TAKEN, Verdict.NEEDS_YOU, Verdict.TAKEN]


def test_a_volume_of_an_accessory_keeps_its_data(tmp_path: Path) -> None:
    """It has the whole name that Kamal's file has, as those of roles have."""
    db = "{image: 'postgres:16', host: a.example.com, volumes: ['shop_pgdata:/var/lib/postgresql/data', 'wal:/wal']}"
    text = f"{HEAD}servers: [a.example.com]\naccessories: {{db: {db}}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert project.dependencies[0].volumes == ("pgdata:/var/lib/postgresql/data", "wal:/wal")
    found = verdicts(report)
    assert [found[f"accessories.db.volumes[{index}]"] for index in (0, 1)] == [
        Verdict.TAKEN,
        Verdict.NEEDS_YOU,
    ]
    assert (
        "copy the data of wal into it on the server, `docker run --rm -v wal:/from -v shop_wal:/to busybox"
        in words(report, "accessories.db.volumes[1]")
    )
    assert "# TO DO volumes: FTL's volume is shop_wal" in (tmp_path / "ftl.yaml").read_text()


def test_routes_and_port_of_kamal_1(tmp_path: Path) -> None:
    """The host is in a label of Traefik, the port in the health check."""
    project, _ = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + FORMS["Kamal 1"]})
    web = project.services[0]
    assert (project.project.domain, web.port, web.labels) == ("old.example.com", 4000, {})
    assert web.health_check is not None
    assert web.health_check.path == "/healthz"


def test_secrets_that_are_declared_need_no_variable(tmp_path: Path) -> None:
    """A secret from a file is used as it is; a raw one, and one of a destination, belong in .env."""
    secrets = "RAILS_MASTER_KEY=$(cat key)\nRAW=value\nPASSED=$PASSED\n"
    files = {
        "config/deploy.yml": HEAD
        + "servers: [a.example.com]\nenv: {secret: [RAILS_MASTER_KEY, RAW, SHARED]}\n",
        ".kamal/secrets": secrets,
        ".kamal/secrets-common": "SHARED=$(kamal secrets fetch x)\n",
        ".kamal/secrets.staging": "B=2\n",
        "key": "abc",
    }
    project, report = taken(tmp_path, "config/deploy.yml", files)
    assert set(project.services[0].env) == {"RAILS_MASTER_KEY", "RAW", "SHARED"}
    found = verdicts(report)
    assert "${RAILS_MASTER_KEY}" not in found
    needed = {
        key for key, verdict in found.items() if verdict is Verdict.NEEDS_YOU and key.startswith(".kamal/")
    }
    assert found[".kamal/secrets: PASSED"] is Verdict.LEFT_OUT
    assert needed == {".kamal/secrets: RAW", ".kamal/secrets-common: SHARED", ".kamal/secrets.staging"}


def test_version_1_of_kamal(tmp_path: Path) -> None:
    """Its Traefik has the server's ports, its contact is the project's, and a stop waits as long."""
    text = """
servers: {web: {hosts: [192.0.2.1], labels: {traefik.http.routers.shop.rule: "Host(`a.io`)"}}}
traefik: {args: {certificatesResolvers.letsencrypt.acme.email: me@a.io}}
healthcheck: {path: /healthz, port: 4000}
stop_wait_time: 45
"""
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text, ".kamal/secrets": ""})
    assert (project.project.email, project.services[0].stop_timeout) == ("me@a.io", 45)
    rows = {row.key: row for row in report.rows}
    assert "kamal traefik remove" in rows["traefik"].text
    assert rows["traefik"].verdict is Verdict.NEEDS_YOU
    assert "`kamal app stop`, `kamal traefik remove` before the first deploy" in rows["the server"].text
    assert rows["stop_wait_time"].verdict is Verdict.CHANGED
    assert rows["traefik.args: acme.email"].verdict is Verdict.CHANGED


def test_a_host_by_a_variable_that_is_not_set(tmp_path: Path) -> None:
    """The domain was a placeholder then, and no row said so."""
    text = HEAD + "servers: [192.0.2.1]\nproxy: {ssl: true, host: \"<%= ENV['SITE'] %>\", app_port: 80}\n"
    _, report = taken(
        tmp_path, "config/deploy.yml", {"config/deploy.yml": text, "Dockerfile": "FROM scratch\n"}
    )
    assert "`${SITE}` is empty as the variables are here" in words(report, "proxy.hosts")


@pytest.mark.parametrize(
    ("text", "run"),
    [
        (
            "servers: [192.0.2.1]\n",
            "run `kamal app stop`, `kamal proxy remove --force` before the first deploy",
        ),
        (
            "servers: [192.0.2.1]\naccessories: {db: {image: 'postgres:16', host: 192.0.2.1}}\n",
            "run `kamal app stop`, `kamal accessory stop all`, `kamal proxy remove --force` before the first deploy",
        ),
    ],
)
def test_what_must_stop_on_the_server_of_kamal(tmp_path: Path, text: str, run: str) -> None:
    """Its proxy is not removed while an app is installed, and its databases have their ports."""
    _, report = taken(tmp_path, "deploy.yml", {"deploy.yml": HEAD + text})
    assert run in words(report, "the server")
    assert verdicts(report)["the server"] is Verdict.NEEDS_YOU
