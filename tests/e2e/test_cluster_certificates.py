"""Certificates of a cluster: issued once by a real authority (pebble), the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab import peers
from tests.e2e.support.project import unique
from tests.e2e.test_acme import Client

if TYPE_CHECKING:
    from lab.servers import Lab
    from tests.e2e.support.three_servers import ClusterProject

pytestmark = [pytest.mark.engine, pytest.mark.server, pytest.mark.nightly, pytest.mark.timeout(600)]


def test_certificates_are_issued_once_and_are_the_same_everywhere(cluster: ClusterProject, lab: Lab) -> None:
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

        third.docker("rm", "-f", "ftl-proxy")
        third.docker("volume", "rm", "ftl-proxy-data", "ftl-proxy-config")
        cluster.deploy("one").ok()
        assert {host: clients[2].serial(host) for host in hosts} == before
