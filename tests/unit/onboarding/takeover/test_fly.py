"""`ftl init --from` with fly.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.onboarding.takeover.report import Verdict

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
    assert (found["checks.headers"], found["files[1]"]) == (Verdict.NEEDS_YOU, Verdict.NEEDS_YOU)


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
