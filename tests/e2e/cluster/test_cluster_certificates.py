"""Certificates of a cluster: issued once by a real authority (pebble), the same everywhere."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from lab import peers
from tests.e2e.proxy.test_acme import Client
from tests.e2e.support.project import unique

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Lab, Server
    from tests.e2e.support.three_servers import ThreeServerProject

pytestmark = [pytest.mark.engine, pytest.mark.server, pytest.mark.nightly, pytest.mark.timeout(600)]


def test_certificates_are_issued_once_and_are_the_same_everywhere(
    cluster: ThreeServerProject, lab: Lab
) -> None:
    """The authority asks another server for each name; a new proxy gets what there is."""
    first, second, third = cluster.servers
    with peers.authority(lab, f"{unique('acme')}.test", first.address, valid=3600) as pebble:
        names = {
            f"{letter}.{cluster.domain}": server
            for letter, server in zip("abc", cluster.servers, strict=True)
        }
        for name, server in names.items():
            pebble.lead(name, server.address)
        pebble.lead(cluster.domain, third.address, second.address, first.address)
        cluster.project.write({"pebble.pem": pebble.authority})
        cluster.config["proxy"] = {"tls": "auto", "acme_ca": pebble.directory, "acme_ca_root": "pebble.pem"}
        # Without it, one of several hosts may be refused at first: see `_LIKELY` in issuance.py.
        cluster.config["project"]["email"] = f"ops@{cluster.name}.test"
        cluster.config["services"][0]["routes"] = ["/", *({"path": "/", "host": name} for name in names)]
        done = cluster.deploy("one").ok()
        assert [note for note in done.events("note") if "certificate" in note["text"]] == [], done
        clients = [Client(server, pebble.root()) for server in cluster.servers]
        hosts = (cluster.domain, *names)
        before = {host: clients[0].serial(host) for host in hosts}
        for client in clients[1:]:
            assert {host: client.serial(host) for host in hosts} == before
            assert client.get(cluster.domain) == (200, "one")
            assert client.get_plain(cluster.domain, "/x") == (308, f"https://{cluster.domain}/x")
        for server in (second, third):
            modes = server.docker("exec", "ftl-proxy", "sh", "-c", "stat -c %a /data/ftl/shared/*.pem")
            assert modes.split() == ["600"] * len(hosts)
        again = cluster.deploy("one").ok()
        assert again.events("step_finished") == []

        # A new one gets what there is, also the one that gets certificates.
        for server, client in ((third, clients[2]), (first, clients[0])):
            server.docker("rm", "-f", "ftl-proxy")
            server.docker("volume", "rm", "ftl-proxy-data", "ftl-proxy-config")
            cluster.deploy("one").ok()
            assert {host: client.serial(host) for host in hosts} == before


def test_renewals_reach_every_proxy_by_cron(cluster: ThreeServerProject, lab: Lab) -> None:
    """Another manager reads them from the Swarm; to a worker, which cannot, a task of the Swarm brings them."""
    first, _, third = cluster.servers
    first.docker("node", "demote", third.docker("info", "--format", "{{.Swarm.NodeID}}").strip())
    _wait(30, "a worker", lambda: "false" in third.docker("info", "--format", "{{.Swarm.ControlAvailable}}"))
    with peers.authority(lab, f"{unique('acme')}.test", first.address, valid=3600) as pebble:
        cluster.project.write({"pebble.pem": pebble.authority})
        cluster.config["proxy"] = {"tls": "auto", "acme_ca": pebble.directory, "acme_ca_root": "pebble.pem"}
        # Without it, one of several hosts may be refused at first: see `_LIKELY` in issuance.py.
        cluster.config["project"]["email"] = f"ops@{cluster.name}.test"
        done = cluster.deploy("one").ok()
        assert [note for note in done.events("note") if "certificate" in note["text"]] == [], done
        clients = [Client(server, pebble.root()) for server in cluster.servers]
        before = clients[0].serial(cluster.domain)
        assert {client.serial(cluster.domain) for client in clients} == {before}
        for server in cluster.servers:
            server.run("sh", "-c", "pgrep -x cron || cron")

        _renew(first)
        _wait(120, "a renewal", lambda: _serial(clients[0], cluster.domain) not in ("", before))
        renewed = clients[0].serial(cluster.domain)
        for client in clients[1:]:
            _wait(240, "the renewal elsewhere", lambda: _serial(client, cluster.domain) == renewed)  # noqa: B023
        # The worker's cron removes what it has taken, and knows that it has it.
        handed = f"ls -a /data/.ftl-handed-{cluster.name}"
        _wait(
            150,
            "clean up",
            lambda: not third.docker("exec", "ftl-proxy", "sh", "-c", f"{handed} 2>/dev/null || true"),
        )
        again = cluster.deploy("one").ok()
        assert again.events("step_finished") == []
        cluster.project.run("remove", "--yes", "--json").ok()
        assert first.docker("service", "ls", "--quiet") == ""
        assert first.docker("config", "ls", "--quiet") == ""
        assert "ftl-follow" not in third.run("crontab", "-u", "ftl", "-l", check=False).stdout.decode()


def _renew(server: Server) -> None:
    """Let a Caddy get its certificates anew, which it does by itself a third of their lifetime before the end."""
    server.docker("exec", "ftl-proxy", "rm", "-rf", "/data/caddy/certificates")
    server.docker("restart", "--time", "1", "ftl-proxy")


def _serial(client: Client, host: str) -> str:
    """Serial number of what a proxy presents; empty while it presents nothing."""
    with suppress(OSError):
        return client.serial(host)
    return ""


def _wait(seconds: float, what: str, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(1)
