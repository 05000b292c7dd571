"""Certificates from a real ACME authority (pebble) for the proxy of a server."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from lab import peers
from tests.e2e.support.project import LabProject, lab_project, unique

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.peers import Authority
    from lab.servers import Lab, Server
    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = pytest.mark.server

WAIT_SECONDS = 60.0


class Client:
    """An HTTP client that trusts the authority."""

    def __init__(self, server: Server, root: str) -> None:
        self._server = server
        self._context = ssl.create_default_context(cadata=root)

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """Request over HTTPS: status, and body or redirect target."""
        with self._secured(host) as secured:
            connection = http.client.HTTPSConnection(host, timeout=20)
            connection.sock = secured
            return _answer(connection, host, path)

    def get_plain(self, host: str, path: str = "/") -> tuple[int, str]:
        """Request over HTTP: status, and body or redirect target."""
        return _answer(
            http.client.HTTPConnection("127.0.0.1", self._server.http_port, timeout=20), host, path
        )

    def serial(self, host: str) -> str:
        """Serial number of the certificate that the proxy uses for a host."""
        with self._secured(host) as secured:
            return str((secured.getpeercert() or {})["serialNumber"])

    def _secured(self, host: str) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._server.https_port), timeout=20)
        return self._context.wrap_socket(plain, server_hostname=host)


def _answer(connection: http.client.HTTPConnection, host: str, path: str) -> tuple[int, str]:
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.getheader("Location") or answer.read().decode()


def secured(make: Callable[..., Project], server: Server, pebble: Authority) -> LabProject:
    """A project whose certificates come from pebble, with a redirect from `www`."""
    project = lab_project(make, server)
    project.project.write({"pebble.pem": pebble.authority})
    project.config["proxy"] = {
        "tls": "auto",
        "acme_ca": pebble.directory,
        "acme_ca_root": "pebble.pem",
        "redirects": {f"www.{project.domain}": project.domain},
    }
    return project


def warnings(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Notes about certificates."""
    return [event for event in events if "certificate" in event["text"]]


def test_a_first_deploy_gets_certificates(
    ftl: Callable[..., Project], lab: Lab, server_factory: ServerFactory, busybox: str, proxy_image: str
) -> None:
    """When the deploy ends HTTPS works and HTTP and `www` redirect; certificates outlive the proxy."""
    server = server_factory("acme")
    with peers.authority(lab, f"{unique('acme')}.test", server.address) as pebble:
        project = secured(ftl, server, pebble)
        done = project.deploy().ok()
        assert warnings(done.events("note")) == [], done
        client = Client(server, pebble.root())
        assert client.get(project.domain) == (200, "one")
        assert client.get_plain(project.domain, "/x?y=1") == (308, f"https://{project.domain}/x?y=1")
        assert client.get(f"www.{project.domain}", "/x?y=1") == (308, f"//{project.domain}/x?y=1")
        assert client.get_plain(f"www.{project.domain}", "/x") == (308, f"//{project.domain}/x")
        assert {event["step"] for event in done.events("step_finished")} >= {"await_certificates"}
        project.version("two")
        again = project.deploy().ok()
        assert "await_certificates" not in {event["step"] for event in again.events("step_finished")}
        before = client.serial(project.domain)
        server.docker("rm", "-f", "ftl-proxy")
        project.deploy().ok()
        assert client.get(project.domain) == (200, "two")
        assert client.serial(project.domain) == before, "it was requested again"
        image = server.docker("commit", "--change", "LABEL newer=yes", "ftl-proxy", "caddy:2")
        planned = project.run("plan", "--json", "--upgrade-proxy").ok()
        assert [step["step"] for step in planned.result["steps"]] == ["upgrade_proxy"]
        project.deploy("--upgrade-proxy").ok()
        assert server.docker("inspect", "-f", "{{.Image}}", "ftl-proxy") == image
        assert client.get(project.domain) == (200, "two")
        assert client.serial(project.domain) == before


def test_either_challenge_is_answered(
    ftl: Callable[..., Project], lab: Lab, server_factory: ServerFactory, busybox: str, proxy_image: str
) -> None:
    """With port 80 closed TLS-ALPN-01 works, with port 443 closed HTTP-01."""
    server = server_factory("challenges")
    with peers.authority(lab, f"{unique('acme')}.test", server.address) as pebble:
        project = secured(ftl, server, pebble)
        client = None
        for port, host in ((80, project.domain), (443, f"other.{project.domain}")):
            rule = ("DOCKER-USER", "-s", pebble.address, "-p", "tcp", "-m", "conntrack", "--ctorigdstport",
                    str(port), "--ctdir", "ORIGINAL", "-j", "REJECT")  # fmt: skip
            server.run("iptables", "-I", *rule)
            project.service()["routes"].append({"path": "/", "host": host})
            if port == 80:
                project.service()["routes"] = ["/"]
                project.config["proxy"].pop("redirects")
            done = project.deploy().ok()
            server.run("iptables", "-D", *rule)
            client = client or Client(server, pebble.root())
            wait_for_certificate(client, host, done)


def wait_for_certificate(client: Client, host: str, outcome: object) -> None:
    """Wait until the proxy uses a certificate of the authority for a host."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            assert client.get(host) == (200, "one")
        except ssl.SSLError:
            assert time.monotonic() < end, outcome
            time.sleep(0.5)
        else:
            return


def test_a_refusal_is_reported_with_its_likely_cause(
    ftl: Callable[..., Project], lab: Lab, server_factory: ServerFactory, busybox: str, proxy_image: str
) -> None:
    """A name that points elsewhere, and an authority that the server does not trust, are warnings.

    A certificate of the proxy's local authority is not taken for the ACME authority's.
    """
    server = server_factory("refused")
    with peers.authority(lab, f"{unique('acme')}.test", server.address) as pebble:
        project = secured(ftl, server, pebble)
        project.config["proxy"].pop("redirects")
        project.config["proxy"]["tls"] = "internal"
        project.deploy().ok()
        project.config["proxy"]["tls"] = "auto"
        pebble.lead(project.domain, "192.0.2.1")
        pebble.lead(project.domain, pebble.address)
        done = project.deploy().ok()
        (note,) = warnings(done.events("note"))
        assert note["level"] == "warning"
        assert project.domain in note["text"]
        assert "urn:ietf:params:acme:error:" in note["text"]
        assert "A and AAAA record" in note["hint"], note
        assert project.get() == (200, "one"), "HTTP does not answer meanwhile"
        second = secured(ftl, server, pebble)
        second.config["proxy"].pop("redirects")
        second.config["proxy"].pop("acme_ca_root")
        (note,) = warnings(second.deploy().ok().events("note"))
        assert "acme_ca_root" in note["hint"], note


def test_a_certificate_is_renewed(
    ftl: Callable[..., Project], lab: Lab, server_factory: ServerFactory, busybox: str, proxy_image: str
) -> None:
    """The running proxy renews a certificate in time.

    Here it checks every two seconds, and regards a certificate as old after seconds.
    """
    server = server_factory("renewal")
    with peers.authority(lab, f"{unique('acme')}.test", server.address, valid=3600) as pebble:
        project = secured(ftl, server, pebble)
        project.config["proxy"].pop("redirects")
        project.deploy().ok()
        client = Client(server, pebble.root())
        first = client.serial(project.domain)
        check_often(server)
        end = time.monotonic() + WAIT_SECONDS
        while serial_if_up(client, project.domain) in ("", first):
            assert time.monotonic() < end, server.run("docker", "logs", "ftl-proxy").stderr.decode()
            time.sleep(1)


def serial_if_up(client: Client, host: str) -> str:
    """Serial number of the certificate; empty while the proxy starts."""
    try:
        return client.serial(host)
    except OSError:
        return ""


def check_often(server: Server) -> None:
    """Start the proxy with a configuration by which it checks often and renews early."""
    config = json.loads(server.docker("exec", "ftl-proxy", "cat", "/config/ftl/caddy.json"))
    automation = config["apps"]["tls"]["automation"]
    automation["renew_interval"] = "2s"
    for policy in automation["policies"]:
        policy["renewal_window_ratio"] = 0.999
    argv = ("docker", "exec", "-i", "ftl-proxy", "sh", "-c", "cat > /config/ftl/caddy.json")
    server.run(*argv, stdin=json.dumps(config).encode())
    server.docker("restart", "ftl-proxy")


def test_the_users_certificate_is_checked_before_anything_is_sent(
    ftl: Callable[..., Project], server: Server
) -> None:
    """One for another host is exit code 2 with the line in ftl.yaml, without a connection to the server."""
    from tests.e2e.support.authority import self_signed

    project = lab_project(ftl, server)
    chain, key = self_signed("elsewhere.example.com")
    project.project.write({"shop.pem": chain, "shop.key": key})
    project.config["server"]["host"] = "203.0.113.1"
    project.config["proxy"] = {"certificate": "shop.pem", "key": "shop.key"}
    for command in ("validate", "plan", "deploy"):
        refused = project.run(command, "--json")
        assert refused.exit_code == 2, refused
        (problem,) = refused.result["error"]["problems"]
        assert problem["line"] == next(
            number
            for number, line in enumerate(json.dumps(project.config, indent=1).splitlines(), 1)
            if "certificate" in line
        )
        assert f"does not cover {project.domain}" in problem["message"]
        assert "elsewhere.example.com" in problem["hint"]
