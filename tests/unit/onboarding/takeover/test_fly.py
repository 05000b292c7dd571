"""`ftl init --from` with fly.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict

from .test_heroku import APP
from .test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

FLY = """
app = "shop"
primary_region = "ams"
kill_timeout = "10s"
[build]
dockerfile = "Dockerfile.prod"
[build.args]
A = "1"
[env]
LOG = "info"
[processes]
app = "bin/server"
worker = "bin/worker"
[deploy]
release_command = "bin/migrate"
strategy = "rolling"
[http_service]
internal_port = 4000
force_https = true
[[http_service.checks]]
path = "/health"
[mounts]
source = "data"
destination = "/data"
[[vm]]
memory = "1gb"
[[statics]]
guest_path = "/x"
"""


def test_fly(tmp_path: Path) -> None:
    """Processes are services; release command, mounts and checks are taken over."""
    project, report = taken(tmp_path, "fly.toml", {"fly.toml": FLY})
    web, worker = project.services
    assert (web.port, web.command, worker.command, worker.port) == (4000, "bin/server", "bin/worker", None)
    assert web.health_check is not None
    assert web.hooks.pre is not None
    assert (web.health_check.path, web.hooks.pre.remote, web.volumes) == (
        "/health",
        "bin/migrate",
        ("data:/data",),
    )
    assert web.stop_timeout == 10
    assert verdicts(report)["statics"] is Verdict.NEEDS_YOU
    assert verdicts(report)["secrets"] is Verdict.NEEDS_YOU
    assert verdicts(report)["mounts"] is Verdict.NEEDS_YOU
    assert (web.recreate, worker.recreate) == (True, True)


def test_details_of_fly(tmp_path: Path) -> None:
    """Machines are replicas, files in base64 are texts, and headers of a check are told."""
    text = """
app = "shop"
[http_service]
internal_port = 8080
min_machines_running = 2
auto_stop_machines = "stop"
[http_service.concurrency]
soft_limit = 200
[[http_service.checks]]
path = "/health"
headers = {X-Forwarded-Proto = "https"}
[[files]]
guest_path = "/etc/a.conf"
raw_value = "aG9tZT0kSE9NRQo="
[[files]]
guest_path = "/etc/b.bin"
raw_value = "/w=="
"""
    project, report = taken(tmp_path, "fly.toml", {"fly.toml": text})
    web = project.services[0]
    assert web.replicas == 2
    assert [(file.path, file.content) for file in web.files] == [("/etc/a.conf", "home=$HOME\n")]
    found = verdicts(report)
    assert found["http_service.min_machines_running"] is Verdict.CHANGED
    assert found["http_service.concurrency"] is Verdict.LEFT_OUT
    assert found["http_service.checks[0].headers"] is Verdict.NEEDS_YOU
    assert found["files[1]"] is Verdict.NEEDS_YOU


def test_ports_of_fly_that_are_not_http(tmp_path: Path) -> None:
    """A service of Fly without a handler for HTTP is published, and has no route."""
    text = """
app = "dns"
kill_signal = "SIGINT"
[env]
DEBUG = true
[processes]
server = "bin/dns"
worker = "bin/worker"
[[services]]
internal_port = 5353
protocol = "udp"
processes = ["server"]
[[services.ports]]
port = 53
[[services]]
internal_port = 5432
[[services.ports]]
port = 5432
handlers = ["pg_tls"]
[[mounts]]
source = "zones"
destination = "/zones"
processes = ["server"]
[[files]]
guest_path = "/etc/dns.conf"
local_path = "dns.conf"
[[files]]
guest_path = "/etc/key"
secret_name = "KEY"
"""
    project, report = taken(tmp_path, "fly.toml", {"fly.toml": text, "dns.conf": "x"})
    server, worker = project.services
    assert (server.forwards, server.routes, server.stop_signal) == (
        ("53:5353/udp", "5432:5432"),
        (),
        "SIGINT",
    )
    assert (server.volumes, worker.volumes) == (("zones:/zones",), ())
    assert (worker.env, [file.path for file in worker.files]) == ({"DEBUG": "true"}, ["/etc/dns.conf"])
    assert (server.recreate, worker.recreate) == (True, False)
    found = verdicts(report)
    assert found["mounts"] is Verdict.CHANGED
    assert (found["services[0]"], found["services[1]"]) == (Verdict.CHANGED, Verdict.NEEDS_YOU)
    assert found["files[1]"] is Verdict.NEEDS_YOU


def test_each_check_of_fly_has_a_row(tmp_path: Path) -> None:
    """The first that requests a path is taken over; the others were lost, or told to be taken over."""
    text = """
[http_service]
internal_port = 8080
[[http_service.checks]]
type = "tcp"
[[http_service.checks]]
path = "/health"
[[http_service.checks]]
path = "/ready"
[checks.top]
type = "http"
path = "/top"
[checks.alive]
type = "tcp"
"""
    project, report = taken(tmp_path, "fly.toml", {"fly.toml": text})
    check = project.services[0].health_check
    assert check is not None
    assert check.path == "/health"
    found = verdicts(report)
    assert {key: found[key] for key in found if "checks" in key} == {
        "http_service.checks[0]": Verdict.LEFT_OUT,
        "http_service.checks[1]": Verdict.CHANGED,
        "http_service.checks[2]": Verdict.NEEDS_YOU,
        "checks.top": Verdict.NEEDS_YOU,
        "checks.alive": Verdict.LEFT_OUT,
    }


@pytest.mark.parametrize(
    ("ports", "forwards", "verdict"),
    [
        ("start_port = 5000\nend_port = 5002", ("5000:7000", "5001:7000", "5002:7000"), Verdict.CHANGED),
        ("start_port = 5000\nend_port = 6000", (), Verdict.NEEDS_YOU),
        ("handlers = ['tls']", (), Verdict.NEEDS_YOU),
    ],
)
def test_a_range_of_ports_of_fly(
    tmp_path: Path, ports: str, forwards: tuple[str, ...], verdict: Verdict
) -> None:
    """All of them lead to the internal port; a very large one needs the user."""
    text = f"[http_service]\ninternal_port = 8080\n[[services]]\ninternal_port = 7000\n[[services.ports]]\n{ports}\n"
    project, report = taken(tmp_path, "fly.toml", {"fly.toml": text})
    assert project.services[0].forwards == forwards
    assert verdicts(report)["services[0]"] is verdict


def test_keys_of_flys_build(tmp_path: Path) -> None:
    """Each has a row: an ignore file that builds do not read let secrets into the image."""
    text = "[build]\nignorefile = '.flyignore'\ncompression = 'zstd'\nother = 1\n"
    _, report = taken(tmp_path, "fly.toml", {"fly.toml": text})
    found = verdicts(report)
    assert [found[f"build.{key}"] for key in ("ignorefile", "compression", "other")] == [
        Verdict.NEEDS_YOU,
        Verdict.LEFT_OUT,
        Verdict.NEEDS_YOU,
    ]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("path = '/up'\ngrace_period = '1m30s'", ("/up", 90)),
        ("path = '/up'\ngrace_period = 45000", ("/up", 45)),
        ("grace_period = '40s'", (None, 40)),
        ("path = '/up'\ngrace_period = '0s'", ("/up", 0)),
    ],
)
def test_a_slow_start_has_the_time_of_fly(
    tmp_path: Path, check: str, expected: tuple[str | None, float]
) -> None:
    """Failures of the grace period do not count."""
    text = f"app = 'shop'\n[http_service]\ninternal_port = 8080\n[[http_service.checks]]\n{check}\n"
    project, report = taken(tmp_path, "fly.toml", {"fly.toml": text})
    health = project.services[0].health_check
    assert health is not None
    assert (health.path, health.start_period) == expected
    assert ("http_service.checks[0].grace_period" in verdicts(report)) == (expected[1] > 0)


def test_databases_by_the_clients_of_the_app(tmp_path: Path) -> None:
    """fly.toml names none; one whose address it has is elsewhere, and an image has no app here."""
    app = {name: text for name, text in APP.items() if name != "Procfile"}
    text = "app = 'shop'\n[env]\nREDIS_URL = 'redis://elsewhere:6379'\n[processes]\nweb = 'a'\nwork = 'b'\n"
    project, report = taken(tmp_path / "built", "fly.toml", {**app, "fly.toml": text})
    assert [dependency.name for dependency in project.dependencies] == ["postgres"]
    assert {service.env["REDIS_URL"] for service in project.services} == {"redis://elsewhere:6379"}
    assert all(
        service.env["DATABASE_URL"].endswith("@postgres:5432/postgres") for service in project.services
    )
    assert verdicts(report)["dependency postgres"] is Verdict.NEEDS_YOU
    image = "app = 'shop'\n[build]\nimage = 'x'\n"
    assert not taken(tmp_path / "image", "fly.toml", {**app, "fly.toml": image})[0].dependencies


SERVICES = """
app = "shop"
[processes]
web = "bin/web"
mail = "bin/mail"
[[services]]
internal_port = 8080
protocol = "tcp"
processes = ["web", "mail"]
auto_stop_machines = "stop"
min_machines_running = 2
[services.concurrency]
soft_limit = 1
[[services.ports]]
port = 443
handlers = ["tls", "http"]
[[services.ports]]
port = 8443
handlers = ["tls", "http"]
[[services.http_checks]]
path = "/up"
[[services.machine_checks]]
command = ["curl", "x"]
[[services]]
internal_port = 25
processes = ["mail"]
auto_stop_machines = "off"
auto_start_machines = true
min_machines_running = 1
of_nobody = 1
[services.concurrency]
soft_limit = 1
[[services.ports]]
port = 25
[[services.ports]]
port = 443
[[services.tcp_checks]]
interval = "1s"
[[services]]
internal_port = 9000
[[services.ports]]
port = 9000
[[services]]
internal_port = 7000
processes = ["mail"]
[[services.ports]]
port = 80
handlers = ["http"]
"""


def test_each_key_of_a_service_of_fly_has_a_row(tmp_path: Path) -> None:
    """By the service's own place; only those of `http_service` that are known had one."""
    project, report = taken(tmp_path, "fly.toml", {"fly.toml": SERVICES})
    web, mail = project.services
    assert (web.port, web.replicas, web.forwards, mail.forwards) == (8080, 2, (), ("25:25",))
    found = verdicts(report)
    assert {key: found[key] for key in found if key.startswith("services")} == {
        "services[0]": Verdict.CHANGED,
        "services[0].processes": Verdict.NEEDS_YOU,
        "services[0].ports": Verdict.NEEDS_YOU,
        "services[0].auto_stop_machines": Verdict.LEFT_OUT,
        "services[0].min_machines_running": Verdict.CHANGED,
        "services[0].concurrency": Verdict.LEFT_OUT,
        "services[0].http_checks[0]": Verdict.CHANGED,
        "services[0].machine_checks": Verdict.NEEDS_YOU,
        "services[1]": Verdict.NEEDS_YOU,
        "services[1].auto_stop_machines": Verdict.LEFT_OUT,
        "services[1].auto_start_machines": Verdict.LEFT_OUT,
        "services[1].min_machines_running": Verdict.LEFT_OUT,
        "services[1].of_nobody": Verdict.NEEDS_YOU,
        "services[1].concurrency": Verdict.LEFT_OUT,
        "services[1].tcp_checks[0]": Verdict.NEEDS_YOU,
        "services[2]": Verdict.NEEDS_YOU,
        "services[3]": Verdict.NEEDS_YOU,
    }
    told = {row.key: row.text for row in report.rows}
    assert told["services[1].of_nobody"] == "FTL has no such key: leave it out, or correct its name"
    assert "80 and 443 are the proxy's" in told["services[1]"]
    assert "`forwards: [9000:9000]` or `replicas`" in told["services[2]"]
    assert "`port` and `routes`" in told["services[3]"]


def test_other_keys_of_flys_public_service_and_mounts_have_rows(tmp_path: Path) -> None:
    """Checks by another machine, a key that nobody knows, and the size of a volume."""
    keys = "internal_port = 8080\nof_nobody = 1\n[[http_service.machine_checks]]\ncommand = ['x']\n"
    mounts = "[mounts]\nsource = 'd'\ndestination = '/d'\ninitial_size = '1gb'\n"
    _, report = taken(tmp_path, "fly.toml", {"fly.toml": f"[http_service]\n{keys}{mounts}"})
    found = verdicts(report)
    assert found["http_service.machine_checks"] is found["http_service.of_nobody"] is Verdict.NEEDS_YOU
    assert found["mounts.initial_size"] is Verdict.LEFT_OUT


def test_keys_that_fly_writes_without_using_them(tmp_path: Path) -> None:
    """Each file of its first years has `script_checks = []`: the report asked to write that command."""
    check = '[[services.http_checks]]\npath = "/up"\ntls_skip_verify = false\nheaders = {}\n'
    check += "[[services.tcp_checks]]\nrestart_limit = 6\n"
    port = '[[services.ports]]\nport = 80\nhandlers = ["http"]\n'
    text = f'app = "x"\n[[services]]\ninternal_port = 80\nscript_checks = []\n{port}{check}'
    _, report = taken(tmp_path, "fly.toml", {"fly.toml": text, "Dockerfile": "FROM scratch\n"})
    todo = [row.key for row in report.rows if row.verdict is Verdict.NEEDS_YOU]
    assert todo == ["secrets"]
    assert verdicts(report)["services[0].script_checks"] is Verdict.LEFT_OUT


def test_a_volume_whose_name_begins_with_a_line(tmp_path: Path) -> None:
    """`_data` is no name for a volume: ftl.yaml was refused."""
    text = 'app = "x"\n[mounts]\nsource = "_data"\ndestination = "/data"\n'
    project, _ = taken(tmp_path, "fly.toml", {"fly.toml": text, "Dockerfile": "FROM scratch\n"})
    assert project.services[0].volumes == ("data:/data",)
