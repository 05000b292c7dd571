"""What the proxy serves in public: routes, names, TLS. Against a real Caddy."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from lab.load import Target
from tests.e2e.authority import self_signed
from tests.e2e.support.proxy import ProxyTestbed, running_testbed

from ftl.engine.tarball import tar_archive
from ftl.errors import FtlError, UsageError
from ftl.proxy.names import CONFIG_FILE
from ftl.proxy.site import InternalName, Site, SiteRoute, UserCertificate

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine


@dataclass(frozen=True)
class Shop:
    """A testbed on which one project with two services is live."""

    testbed: ProxyTestbed
    project: str

    def site(self, *routes: SiteRoute, **more: object) -> bool:
        """Make these the project's public routes."""
        internal = (InternalName("web", 8000), InternalName("api", 8000))
        site = Site(self.project, routes=routes, internal=internal, **more)  # type: ignore[arg-type]
        return self.testbed.do(self.testbed.proxy.apply(site))

    def get(self, host: str, path: str = "/", port: int | None = None) -> tuple[int, object]:
        """One request: the status, and which service answered (or what else was said)."""
        status, said = self.testbed.do(self.testbed.get(host, path, port=port))
        return status, said["version"].split("/")[1] if isinstance(said, dict) else said


@pytest.fixture(scope="module")
def shop(proxy_image: str) -> Iterator[Shop]:
    """One for all tests here: each applies the routes that it is about."""
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
    """`/api` takes `/api` and what is below it, but not `/apix`, wherever it stands in the list."""
    shop.site(route("shop.test"), route("shop.test", "/api", "api"))
    assert shop.get("shop.test", "/api") == (200, "api")
    assert shop.get("shop.test", "/api/items?x=1") == (200, "api")
    assert shop.get("shop.test", "/apix") == (200, "web")
    assert shop.get("shop.test", "/") == (200, "web")


def test_a_stripped_prefix_is_not_seen_by_the_service(shop: Shop) -> None:
    """With `strip_prefix` the service sees the path without it, and `/` where nothing is left."""
    shop.site(route("shop.test"), route("shop.test", "/api", "api", strip_prefix=True))
    testbed = shop.testbed
    assert testbed.do(testbed.get("shop.test", "/api/items?x=1"))[1]["path"] == "/items?x=1"
    assert testbed.do(testbed.get("shop.test", "/api"))[1]["path"] == "/"


def test_the_service_learns_who_asked_for_what(shop: Shop) -> None:
    """Forwarding headers are set by the proxy, and a client's own are not believed."""
    shop.site(route("shop.test"))
    testbed = shop.testbed
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test"}
    _, said = testbed.do(testbed.ask(testbed.do(testbed.target("shop.test")), "/", claims))
    assert said["headers"]["host"] == said["headers"]["x-forwarded-host"] == "shop.test"
    assert said["headers"]["x-forwarded-proto"] == "http"
    assert "203.0.113.9" not in said["headers"]["x-forwarded-for"]


def test_an_unknown_host_is_not_found(shop: Shop) -> None:
    """A name that no project routes gets 404, and not somebody's site."""
    shop.site(route("shop.test"))
    assert shop.get("other.test") == (404, "Nothing is served here.\n")


def test_the_only_site_answers_by_address(shop: Shop) -> None:
    """Before a name points to the server, its address and localhost show the site, on any port."""
    shop.site(route("shop.test"), route("shop.test", "/api", "api"), tls="auto")
    for host in ("127.0.0.1", "127.0.0.1:8080", "localhost", "[::1]", "[::1]:8080", "203.0.113.9"):
        assert shop.get(host, "/api") == (200, "api"), host


def test_of_two_sites_none_answers_by_address(shop: Shop) -> None:
    """With a second project on the server an address says nothing about which one is meant."""
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
    """A route to a service that was never switched to a release answers 503 after a few seconds of trying."""
    shop.site(route("shop.test", "/", "nobody"))
    assert shop.get("shop.test") == (503, "503 Service Unavailable\n")


def test_internal_tls_serves_both_without_a_redirect(shop: Shop) -> None:
    """`tls: internal` serves HTTPS with a certificate of the proxy's own authority, and HTTP as well."""
    shop.site(route("shop.test"), tls="internal")
    assert shop.get("shop.test") == (200, "web")
    testbed = shop.testbed
    files = testbed.do(
        testbed.engine.get_archive(testbed.names.container, "/data/caddy/pki/authorities/local/root.crt")
    )
    assert files is not None
    trust = ssl.create_default_context(cadata=files["root.crt"].decode())
    assert https(testbed, "shop.test", trust)["headers"]["x-forwarded-proto"] == "https"


def test_auto_tls_redirects_once_the_certificate_is_there(shop: Shop) -> None:
    """With `tls: auto` HTTP answers itself until ACME's certificate is stored, and redirects from then on."""
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


def test_a_certificate_of_ones_own_is_used(shop: Shop) -> None:
    """A given certificate serves HTTPS at once, HTTP redirects, and its key is readable by the proxy alone."""
    chain, key = self_signed("own.example.com")
    certificate = UserCertificate(chain, key)
    site = Site(shop.project, routes=(route("own.example.com"),), tls="auto", certificate=certificate.id)
    testbed = shop.testbed
    testbed.do(testbed.proxy.apply(site, certificate))
    trust = ssl.create_default_context(cadata=chain.decode())
    assert https(testbed, "own.example.com", trust)["version"]
    assert shop.get("own.example.com") == (308, "https://own.example.com/")


def test_forwarded_headers_are_believed_of_trusted_proxies_alone(shop: Shop) -> None:
    """What a visitor claims to be is written over; what a proxy in front says is passed on and added to."""
    testbed, claims = shop.testbed, {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}

    def seen(*trusted: str) -> dict[str, str]:
        shop.site(route("shop.test"), trusted=trusted)
        said = testbed.do(testbed.ask(testbed.do(testbed.target("shop.test")), headers=claims))[1]
        headers: dict[str, str] = said["headers"]
        return headers

    nobody, other, front = seen(), seen("198.51.100.0/24"), seen("0.0.0.0/0")
    for headers in (nobody, other):
        assert headers["x-forwarded-proto"] == "http"
        assert "203.0.113.7" not in headers["x-forwarded-for"]
    assert front["x-forwarded-proto"] == "https"
    assert front["x-forwarded-for"].startswith("203.0.113.7, ")


def test_two_projects_cannot_have_one_route(shop: Shop) -> None:
    """A route that another project has is refused, and nothing changes."""
    shop.site(route("shop.test"))
    testbed = shop.testbed
    other = testbed.project("second")
    testbed.do(testbed.network(other))
    with pytest.raises(UsageError, match=r"both route shop\.test/"):
        testbed.do(testbed.proxy.apply(Site(other, routes=(route("shop.test"),))))
    assert shop.get("shop.test") == (200, "web")


def test_a_refused_configuration_changes_nothing(shop: Shop) -> None:
    """When Caddy refuses a configuration its words are the cause, and the old one stays in memory and on disk."""
    shop.site(route("shop.test"))
    testbed = shop.testbed
    before = testbed.do(testbed.engine.get_archive(testbed.names.container, CONFIG_FILE))
    with pytest.raises(FtlError) as caught:
        shop.site(route("shop.test"), tls="auto", certificate="0123456789abcdef")
    assert "0123456789abcdef.crt: no such file" in str(caught.value.cause)
    assert testbed.do(testbed.engine.get_archive(testbed.names.container, CONFIG_FILE)) == before
    assert shop.get("shop.test") == (200, "web")


def test_an_unchanged_site_is_not_loaded_again(shop: Shop) -> None:
    """Applying the same site twice changes something once."""
    shop.site(route("shop.test", "/once"))
    assert shop.site(route("shop.test", "/twice")) is True
    assert shop.site(route("shop.test", "/twice")) is False


def https(testbed: ProxyTestbed, host: str, trust: ssl.SSLContext) -> dict[str, dict[str, str]]:
    """One request by HTTPS, the certificate verified."""
    target = Target("127.0.0.1", testbed.do(testbed.port(443)), host, trust)
    status, said = testbed.do(testbed.ask(target))
    assert status == 200
    assert isinstance(said, dict)
    return said
