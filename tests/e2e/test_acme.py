"""Certificates from a real ACME authority (pebble), whose challenges reach the proxy of a server."""

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


class Visitor:
    """Somebody who trusts the authority."""

    def __init__(self, server: Server, root: str) -> None:
        self._server = server
        self._context = ssl.create_default_context(cadata=root)

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """A visit by HTTPS: the status, and the body or where to go."""
        with self._secured(host) as secured:
            connection = http.client.HTTPSConnection(host, timeout=20)
            connection.sock = secured
            return _answer(connection, host, path)

    def get_plain(self, host: str, path: str = "/") -> tuple[int, str]:
        """A visit by HTTP."""
        return _answer(
            http.client.HTTPConnection("127.0.0.1", self._server.http_port, timeout=20), host, path
        )

    def serial(self, host: str) -> str:
        """Which certificate the proxy shows for a host."""
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
    """A site whose certificates come from pebble, with a `www` that is sent on."""
    made = lab_project(make, server)
    made.project.write({"pebble.pem": pebble.authority})
    made.config["proxy"] = {
        "tls": "auto",
        "acme_ca": pebble.directory,
        "acme_ca_root": "pebble.pem",
        "redirects": {f"www.{made.domain}": made.domain},
    }
    return made


def warnings(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Notes about certificates."""
    return [one for one in events if "certificate" in one["text"]]


def test_a_first_deploy_gets_certificates(
    ftl: Callable[..., Project], lab: Lab, server_factory: ServerFactory, busybox: str, proxy_image: str
) -> None:
    """HTTPS answers when the deploy ends, HTTP leads there, `www` is sent on; all of it outlives the proxy."""
    server = server_factory("acme")
    with peers.authority(lab, f"{unique('acme')}.test", server.address) as pebble:
        made = secured(ftl, server, pebble)
        done = made.deploy().ok()
        assert warnings(done.events("note")) == [], done
        visitor = Visitor(server, pebble.root())
        assert visitor.get(made.domain) == (200, "one")
        assert visitor.get_plain(made.domain, "/x?y=1") == (308, f"https://{made.domain}/x?y=1")
        assert visitor.get(f"www.{made.domain}", "/x?y=1") == (308, f"//{made.domain}/x?y=1")
        assert visitor.get_plain(f"www.{made.domain}", "/x") == (308, f"//{made.domain}/x")
        assert {one["step"] for one in done.events("step_finished")} >= {"await_certificates"}
        made.version("two")
        again = made.deploy().ok()
        assert "await_certificates" not in {one["step"] for one in again.events("step_finished")}
        before = visitor.serial(made.domain)
        server.docker("rm", "-f", "ftl-proxy")
        made.deploy().ok()
        assert visitor.get(made.domain) == (200, "two")
        assert visitor.serial(made.domain) == before, "it was kept, not asked for again"
        image = server.docker("commit", "--change", "LABEL newer=yes", "ftl-proxy", "caddy:2")
        planned = made.run("plan", "--json", "--upgrade-proxy").ok()
        assert [one["step"] for one in planned.result["steps"]] == ["upgrade_proxy"]
        made.deploy("--upgrade-proxy").ok()
        assert server.docker("inspect", "-f", "{{.Image}}", "ftl-proxy") == image
        assert visitor.get(made.domain) == (200, "two")
        assert visitor.serial(made.domain) == before


def test_either_challenge_is_answered(
    ftl: Callable[..., Project], lab: Lab, server_factory: ServerFactory, busybox: str, proxy_image: str
) -> None:
    """With port 80 closed TLS-ALPN-01 does, with port 443 closed HTTP-01."""
    server = server_factory("challenges")
    with peers.authority(lab, f"{unique('acme')}.test", server.address) as pebble:
        made = secured(ftl, server, pebble)
        visitor = None
        for port, host in ((80, made.domain), (443, f"other.{made.domain}")):
            rule = ("DOCKER-USER", "-s", pebble.address, "-p", "tcp", "-m", "conntrack", "--ctorigdstport",
                    str(port), "--ctdir", "ORIGINAL", "-j", "REJECT")  # fmt: skip
            server.run("iptables", "-I", *rule)
            made.service()["routes"].append({"path": "/", "host": host})
            if port == 80:
                made.service()["routes"] = ["/"]
                made.config["proxy"].pop("redirects")
            done = made.deploy().ok()
            server.run("iptables", "-D", *rule)
            visitor = visitor or Visitor(server, pebble.root())
            wait_for_certificate(visitor, host, done)


def wait_for_certificate(visitor: Visitor, host: str, told: object) -> None:
    """The proxy shows a certificate of the authority's for a host."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            assert visitor.get(host) == (200, "one")
        except ssl.SSLError:
            assert time.monotonic() < end, told
            time.sleep(0.5)
        else:
            return


def test_a_refusal_is_told_with_its_likely_cause(
    ftl: Callable[..., Project], lab: Lab, server_factory: ServerFactory, busybox: str, proxy_image: str
) -> None:
    """A name that leads elsewhere, and an authority that the server does not trust: live, with a warning.

    The certificate that the proxy gave itself before is not taken for the authority's.
    """
    server = server_factory("refused")
    with peers.authority(lab, f"{unique('acme')}.test", server.address) as pebble:
        made = secured(ftl, server, pebble)
        made.config["proxy"].pop("redirects")
        made.config["proxy"]["tls"] = "internal"
        made.deploy().ok()
        made.config["proxy"]["tls"] = "auto"
        pebble.lead(made.domain, "192.0.2.1")
        pebble.lead(made.domain, pebble.address)
        done = made.deploy().ok()
        (note,) = warnings(done.events("note"))
        assert note["level"] == "warning"
        assert made.domain in note["text"]
        assert "urn:ietf:params:acme:error:" in note["text"]
        assert "A and AAAA record" in note["hint"], note
        assert made.get() == (200, "one"), "HTTP answers meanwhile"
        other = secured(ftl, server, pebble)
        other.config["proxy"].pop("redirects")
        other.config["proxy"].pop("acme_ca_root")
        (note,) = warnings(other.deploy().ok().events("note"))
        assert "acme_ca_root" in note["hint"], note


def test_a_certificate_is_renewed(
    ftl: Callable[..., Project], lab: Lab, server_factory: ServerFactory, busybox: str, proxy_image: str
) -> None:
    """The proxy replaces one in time, while it runs: here it looks every two seconds, and one of seconds is old."""
    server = server_factory("renewal")
    with peers.authority(lab, f"{unique('acme')}.test", server.address, valid=3600) as pebble:
        made = secured(ftl, server, pebble)
        made.config["proxy"].pop("redirects")
        made.deploy().ok()
        visitor = Visitor(server, pebble.root())
        first = visitor.serial(made.domain)
        look_often(server)
        end = time.monotonic() + WAIT_SECONDS
        while serial_if_up(visitor, made.domain) in ("", first):
            assert time.monotonic() < end, server.run("docker", "logs", "ftl-proxy").stderr.decode()
            time.sleep(1)


def serial_if_up(visitor: Visitor, host: str) -> str:
    """Which certificate is shown; empty while the proxy starts."""
    try:
        return visitor.serial(host)
    except OSError:
        return ""


def look_often(server: Server) -> None:
    """Start the proxy with a configuration by which it looks after certificates often, and calls them old soon."""
    config = json.loads(server.docker("exec", "ftl-proxy", "cat", "/config/ftl/caddy.json"))
    automation = config["apps"]["tls"]["automation"]
    automation["renew_interval"] = "2s"
    for policy in automation["policies"]:
        policy["renewal_window_ratio"] = 0.999
    argv = ("docker", "exec", "-i", "ftl-proxy", "sh", "-c", "cat > /config/ftl/caddy.json")
    server.run(*argv, stdin=json.dumps(config).encode())
    server.docker("restart", "ftl-proxy")


def test_a_certificate_of_ones_own_is_checked_before_anything_is_sent(
    ftl: Callable[..., Project], server: Server
) -> None:
    """One for another host is exit code 2 with the line in ftl.yaml; nobody connects to the server for it."""
    from tests.e2e.authority import self_signed

    made = lab_project(ftl, server)
    chain, key = self_signed("elsewhere.example.com")
    made.project.write({"shop.pem": chain, "shop.key": key})
    made.config["server"]["host"] = "203.0.113.1"
    made.config["proxy"] = {"certificate": "shop.pem", "key": "shop.key"}
    for command in ("validate", "plan", "deploy"):
        refused = made.run(command, "--json")
        assert refused.exit_code == 2, refused
        (problem,) = refused.result["error"]["problems"]
        assert problem["line"] == next(
            number
            for number, line in enumerate(json.dumps(made.config, indent=1).splitlines(), 1)
            if "certificate" in line
        )
        assert f"does not cover {made.domain}" in problem["message"]
        assert "elsewhere.example.com" in problem["hint"]
