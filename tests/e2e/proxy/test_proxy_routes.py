"""Public routes, hosts and TLS, with a real Caddy."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from lab.load import Target
from tests.e2e.support.authority import self_signed
from tests.e2e.support.proxy import ProxyTestbed, running_testbed

from ftl.engine.specs import ContainerSpec
from ftl.engine.tarball import tar_archive
from ftl.errors import FtlError, UsageError
from ftl.proxy.access import parse_figures
from ftl.proxy.names import CONFIG_FILE, project_network, release_alias
from ftl.proxy.project_site import UserCertificate
from ftl.proxy.site import InternalName, Site, SiteRoute

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine


@dataclass(frozen=True)
class Shop:
    """A testbed with one live project that has two services."""

    testbed: ProxyTestbed
    project: str

    def site(self, *routes: SiteRoute, **more: object) -> bool:
        """Apply these as the project's public routes; whether that changed anything."""
        internal = (InternalName("web", 8000), InternalName("api", 8000))
        site = Site(self.project, routes=routes, internal=internal, **more)  # type: ignore[arg-type]
        return self.testbed.do(self.testbed.proxy.apply(site))

    def get(self, host: str, path: str = "/", port: int | None = None) -> tuple[int, object]:
        """Send a request; returns the status and the service that answered (or another body)."""
        status, body = self.testbed.do(self.testbed.get(host, path, port=port))
        return status, body["version"].split("/")[1] if isinstance(body, dict) else body


@pytest.fixture(scope="module")
def shop(proxy_image: str) -> Iterator[Shop]:
    """One for all tests of this module; each test applies its routes."""
    with running_testbed() as testbed:
        project = testbed.project("shop")
        testbed.do(testbed.app(project, "web", "r1"))
        testbed.do(testbed.app(project, "api", "r1"))
        testbed.do(testbed.proxy.connect(testbed.do(testbed.network(project)), ["web", "api"]))
        testbed.do(testbed.go_live(project, web="r1", api="r1"))
        yield Shop(testbed, project)


def route(host: str, path: str = "/", service: str = "web", *, strip_prefix: bool = False) -> SiteRoute:
    """A public route."""
    return SiteRoute(host, path, strip_prefix, service, 8000)


def test_the_longest_path_wins_and_ends_at_a_slash(shop: Shop) -> None:
    """`/api` matches `/api` and paths below it, but not `/apix`, at any place in the list."""
    shop.site(route("shop.test"), route("shop.test", "/api", "api"))
    assert shop.get("shop.test", "/api") == (200, "api")
    assert shop.get("shop.test", "/api/items?x=1") == (200, "api")
    assert shop.get("shop.test", "/apix") == (200, "web")
    assert shop.get("shop.test", "/") == (200, "web")


def test_a_stripped_prefix_is_not_seen_by_the_service(shop: Shop) -> None:
    """With `strip_prefix` the service gets the path without it, or `/` if nothing is left."""
    shop.site(route("shop.test"), route("shop.test", "/api", "api", strip_prefix=True))
    testbed = shop.testbed
    assert testbed.do(testbed.get("shop.test", "/api/items?x=1"))[1]["path"] == "/items?x=1"
    assert testbed.do(testbed.get("shop.test", "/api"))[1]["path"] == "/"


def test_a_path_is_matched_and_stripped_as_it_was_sent(shop: Shop) -> None:
    """Case and encoded slashes count, and doubled slashes stay; the service learns the prefix."""
    shop.site(route("shop.test"), route("shop.test", "/api", "api", strip_prefix=True))
    testbed = shop.testbed
    for sent, service, received in (
        ("/api//x", "api", "//x"),
        ("/api/a%2Fb?c=%20", "api", "/a%2Fb?c=%20"),
        ("/%61pi/x", "api", "/x"),
        ("/API/x", "web", "/API/x"),
        ("/api%2Fx", "web", "/api%2Fx"),
        ("//api/x", "web", "//api/x"),
    ):
        _, answer = testbed.do(testbed.get("shop.test", sent))
        assert (answer["version"].split("/")[1], answer["path"]) == (service, received), sent
        assert answer["headers"].get("x-forwarded-prefix") == ("/api" if service == "api" else None)


def test_a_client_cannot_pass_for_another(shop: Shop) -> None:
    """Every header that says who the client is comes from the proxy, or from a trusted proxy in front."""
    testbed = shop.testbed
    claims = dict.fromkeys(
        (
            "X-Real-IP",
            "True-Client-IP",
            "Forwarded",
            "CF-Connecting-IP",
            "X-Forwarded-Port",
            "X-Forwarded-Prefix",
        ),
        "/claimed",
    )
    api = route("shop.test", "/api", "api", strip_prefix=True)

    def seen(*trusted: str) -> dict[str, str]:
        shop.site(route("shop.test"), api, trusted=trusted)
        answer = testbed.do(testbed.ask(testbed.do(testbed.target("shop.test")), "/api/x", claims))[1]
        headers: dict[str, str] = answer["headers"]
        return headers

    for headers in (seen(), seen("198.51.100.0/24")):
        assert headers["x-forwarded-prefix"] == "/api"
        assert headers["x-real-ip"] == headers["x-forwarded-for"]
        assert "/claimed" not in headers.values()
    headers = seen("0.0.0.0/0")
    assert headers["x-forwarded-prefix"] == "/claimed/api"
    assert {headers[name.lower()] for name in claims} == {"/claimed", "/claimed/api"}


def test_forwarding_headers_are_set_by_the_proxy(shop: Shop) -> None:
    """The service gets the proxy's forwarding headers, and those of a client are replaced."""
    shop.site(route("shop.test"))
    testbed = shop.testbed
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test"}
    _, answer = testbed.do(testbed.ask(testbed.do(testbed.target("shop.test")), "/", claims))
    assert answer["headers"]["host"] == answer["headers"]["x-forwarded-host"] == "shop.test"
    assert answer["headers"]["x-forwarded-proto"] == "http"
    assert "203.0.113.9" not in answer["headers"]["x-forwarded-for"]


def test_an_unknown_host_is_not_found(shop: Shop) -> None:
    """A host without a route gets 404, and not another project's site."""
    shop.site(route("shop.test"))
    assert shop.get("other.test") == (404, "Nothing is served here.\n")


def test_the_only_site_answers_by_address(shop: Shop) -> None:
    """Before a DNS name points to the server, its address and localhost show the site, on any port."""
    shop.site(route("shop.test"), route("shop.test", "/api", "api"), tls="auto")
    for host in ("127.0.0.1", "127.0.0.1:8080", "localhost", "[::1]", "[::1]:8080", "203.0.113.9"):
        assert shop.get(host, "/api") == (200, "api"), host


def test_with_two_sites_none_answers_by_address(shop: Shop) -> None:
    """With a second project on the server, an address is ambiguous."""
    shop.site(route("shop.test"))
    testbed = shop.testbed
    other = testbed.project("second")
    testbed.do(testbed.serve(other, host="second.test"))
    try:
        assert shop.get("127.0.0.1")[0] == 404
    finally:
        testbed.do(testbed.proxy.remove_routes(other))
    assert shop.get("127.0.0.1")[0] == 200


def test_a_service_that_is_not_live_is_unavailable(shop: Shop) -> None:
    """A route to a service without a live release answers 503 after a few seconds of retries."""
    shop.site(route("shop.test", "/", "nobody"))
    assert shop.get("shop.test") == (503, "503 Service Unavailable\n")


def test_internal_tls_serves_both_without_a_redirect(shop: Shop) -> None:
    """`tls: internal` serves HTTPS with a certificate of the proxy's local authority, and HTTP as well."""
    shop.site(route("shop.test"), tls="internal")
    assert shop.get("shop.test") == (200, "web")
    testbed = shop.testbed
    files = testbed.do(
        testbed.engine.get_archive(testbed.names.container, "/data/caddy/pki/authorities/local/root.crt")
    )
    assert files is not None
    trust = ssl.create_default_context(cadata=files["root.crt"].decode())
    assert https(testbed, "shop.test", trust)["headers"]["x-forwarded-proto"] == "https"


def test_auto_tls_redirects_once_the_certificate_exists(shop: Shop) -> None:
    """With `tls: auto`, HTTP serves the site until ACME's certificate is stored, and then redirects."""
    shop.site(route("shop.example.com"), tls="auto", acme_ca="https://127.0.0.1:1/directory")
    assert shop.get("shop.example.com", "/a?b=c") == (200, "web")
    testbed = shop.testbed
    name = "shop.example.com/shop.example.com.crt"
    for authority, answer in (
        ("local", (200, "web")),
        ("acme-v02.api.letsencrypt.org-directory", (200, "web")),
        ("127.0.0.1-1-directory", (308, "https://shop.example.com/a?b=c")),
    ):
        stored = {f"caddy/certificates/{authority}/{name}": b"a certificate"}
        testbed.do(testbed.engine.put_archive(testbed.names.container, "/data", tar_archive(stored)))
        assert shop.get("shop.example.com", "/a?b=c") == answer, authority
    assert shop.get("shop.example.com", "/a?b=c") == (308, "https://shop.example.com/a?b=c")


def test_the_users_certificate_is_used(shop: Shop) -> None:
    """The user's certificate serves HTTPS at once, and HTTP redirects."""
    chain, key = self_signed("own.example.com")
    certificate = UserCertificate(chain, key)
    site = Site(shop.project, routes=(route("own.example.com"),), tls="auto", certificate=certificate.id)
    testbed = shop.testbed
    testbed.do(testbed.proxy.apply(site, certificate))
    trust = ssl.create_default_context(cadata=chain.decode())
    assert https(testbed, "own.example.com", trust)["version"]
    assert shop.get("own.example.com") == (308, "https://own.example.com/")


def test_forwarded_headers_are_trusted_from_trusted_proxies_only(shop: Shop) -> None:
    """A client's headers are replaced; those of a trusted proxy are kept and extended."""
    testbed, claims = shop.testbed, {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}

    def seen(*trusted: str) -> dict[str, str]:
        shop.site(route("shop.test"), trusted=trusted)
        answer = testbed.do(testbed.ask(testbed.do(testbed.target("shop.test")), headers=claims))[1]
        headers: dict[str, str] = answer["headers"]
        return headers

    nobody, other, front = seen(), seen("198.51.100.0/24"), seen("0.0.0.0/0")
    for headers in (nobody, other):
        assert headers["x-forwarded-proto"] == "http"
        assert "203.0.113.7" not in headers["x-forwarded-for"]
    assert front["x-forwarded-proto"] == "https"
    assert front["x-forwarded-for"].startswith("203.0.113.7, ")


def test_two_projects_cannot_have_one_route(shop: Shop) -> None:
    """A route that another project has is rejected, and nothing changes."""
    shop.site(route("shop.test"))
    testbed = shop.testbed
    other = testbed.project("second")
    testbed.do(testbed.network(other))
    with pytest.raises(UsageError, match=r"both route shop\.test/"):
        testbed.do(testbed.proxy.apply(Site(other, routes=(route("shop.test"),))))
    assert shop.get("shop.test") == (200, "web")


def test_a_rejected_configuration_changes_nothing(shop: Shop) -> None:
    """If Caddy rejects a configuration, its message is the cause; the old one stays in memory and on disk."""
    shop.site(route("shop.test"))
    testbed = shop.testbed
    before = testbed.do(testbed.engine.get_archive(testbed.names.container, CONFIG_FILE))
    with pytest.raises(FtlError) as caught:
        shop.site(route("shop.test"), tls="auto", certificate="0123456789abcdef")
    assert "0123456789abcdef.crt: no such file" in str(caught.value.cause)
    assert testbed.do(testbed.engine.get_archive(testbed.names.container, CONFIG_FILE)) == before
    assert shop.get("shop.test") == (200, "web")


def test_an_unchanged_site_is_not_loaded_again(shop: Shop) -> None:
    """Applying the same site again changes nothing."""
    shop.site(route("shop.test", "/once"))
    assert shop.site(route("shop.test", "/twice")) is True
    assert shop.site(route("shop.test", "/twice")) is False


def test_requests_are_logged_by_service_without_secrets(shop: Shop) -> None:
    """The access log has each request with its service, and neither headers nor query."""
    shop.site(route("shop.test"), route("shop.test", "/api", "api"))
    testbed = shop.testbed
    target = testbed.do(testbed.target("shop.test"))
    for path in ("/api/items?token=hunter2", "/slow?0.3"):
        testbed.do(testbed.ask(target, path, {"Authorization": "Bearer hunter2", "X-Api-Key": "hunter2"}))
    found = parse_figures(testbed.do(testbed.proxy.request_counts(shop.project, 30)))
    assert found.keys() >= {"api", "web"}
    assert found["web"].p95 >= 0.3
    folder = testbed.do(testbed.engine.get_archive(testbed.names.container, "/data/ftl/access"))
    assert folder is not None
    assert b"hunter2" not in b"".join(folder.values())


def test_http2_without_tls_reaches_an_h2c_service(shop: Shop) -> None:
    """GRPC's way: cleartext HTTP/2 from the client, in public and by name, through to the service."""
    testbed, network = shop.testbed, project_network(shop.project)
    name = f"ftl-lab-{testbed.run}-h2c"
    config = {
        "admin": {"disabled": True},
        "apps": {
            "http": {
                "servers": {
                    "h2c": {
                        "listen": [":9000"],
                        "protocols": ["h2c"],
                        "routes": [
                            {"handle": [{"handler": "static_response", "body": "{http.request.proto}"}]}
                        ],
                    }
                }
            }
        },
    }
    spec = ContainerSpec(
        "caddy:2",
        {},
        entrypoint=("caddy",),
        command=("run", "--config", "/h2c.json"),
        networks={network: (release_alias(shop.project, "grpc", "r1"),)},
        restart="no",
    )
    testbed.do(testbed.engine.create(name, spec))
    try:
        content = tar_archive({"h2c.json": json.dumps(config).encode()})
        testbed.do(testbed.engine.put_archive(name, "/", content))
        testbed.do(testbed.engine.start(name))
        testbed.do(testbed.go_live(shop.project, grpc="r1"))
        routes = (SiteRoute("grpc.test", "/", False, "grpc", 9000), route("shop.test"))
        site = Site(shop.project, routes=routes, internal=(InternalName("grpc", 9000),), h2c=("grpc",))
        testbed.do(testbed.proxy.apply(site))
        port = testbed.do(testbed.port())
        argv = ["curl", "-s", "-w", " %{http_version}", "--max-time", "20", "-H", "Host: grpc.test"]
        for option, version in (("--http2-prior-knowledge", "2"), ("--http1.1", "1.1")):
            done = testbed.do(testbed.machine.run([*argv, option, f"http://127.0.0.1:{port}/"]))
            assert done.stdout.decode() == f"HTTP/2.0 {version}", done
        assert shop.get("shop.test") == (200, "web"), "other services go on with HTTP/1.1"
    finally:
        testbed.do(testbed.engine.remove(name, force=True))


def https(testbed: ProxyTestbed, host: str, trust: ssl.SSLContext) -> dict[str, dict[str, str]]:
    """Send one request over HTTPS and verify the certificate."""
    target = Target("127.0.0.1", testbed.do(testbed.port(443)), host, trust)
    status, answer = testbed.do(testbed.ask(target))
    assert status == 200
    assert isinstance(answer, dict)
    return answer
